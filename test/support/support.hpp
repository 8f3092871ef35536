// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_SUPPORT_HPP
#define BROOD_TEST_SUPPORT_SUPPORT_HPP

#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace test {

/// A way to start a child and to await it.
struct way {
    brood::spawn_backend backend;
    brood::exit_reaper reaper;

    friend std::ostream& operator<<(std::ostream& out, way const& w);
};

/// Every way that this machine has.
std::vector<way> all_ways();

/// The ways that differ in how the child is made, with the reaper chosen automatically.
std::vector<way> all_backends();

/// Whether the library was built with what Linux alone has: cgroups, affinity, parent-death signals.
bool knows_linux();

/// Skips a test where the system calls that threads are made of are refused too.
doctest::skip needs_threads();

/// Skips a test where there are no pidfds.
doctest::skip needs_pidfd();

/// The program that tells what it was given: see test/child/probe.cpp.
std::string probe_path();

template <class... Args>
brood::command probe(way const& w, Args const&... args)
{
    brood::command cmd(probe_path(), args...);
    cmd.backend(w.backend).reaper(w.reaper);
    return cmd;
}

/// Runs an awaitable to its end on a context of its own. No end within a minute is a failure.
void run(asio::awaitable<void> body);

/// Runs it on a given context.
void run_on(asio::io_context& context, asio::awaitable<void> body);

/// Reads a pipe to its end.
template <class Stream>
asio::awaitable<std::string> read_all(Stream& stream)
{
    std::string text;
    brood::error_code ec;
    co_await asio::async_read(stream, asio::dynamic_buffer(text), asio::redirect_error(asio::use_awaitable, ec));
    CHECK(ec == asio::error::eof);
    co_return text;
}

/// Reads one line, without its end: how a child tells that it is ready.
template <class Stream>
asio::awaitable<std::string> read_line(Stream& stream)
{
    std::string text;
    auto const size = co_await asio::async_read_until(stream, asio::dynamic_buffer(text), '\n', asio::use_awaitable);
    co_return text.substr(0, size - 1);
}

struct finished {
    brood::exit_status status;
    std::string out;
};

/// Spawns, takes the standard output, waits: once by `spawn`, once by `async_spawn`. Both must succeed.
asio::awaitable<finished> output_of(brood::command cmd);

/// The same, synchronously.
std::string output_of_now(brood::command const& cmd);

/// The error of a spawn, which must fail and leave nothing; `async_spawn` must fail alike.
brood::error_code failure_of(brood::command const& cmd);

/// The word that stands in a text after another one.
std::string after(std::string const& text, std::string const& word);

std::vector<std::string> split(std::string_view text, char separator);

/// This process's open descriptors.
std::vector<int> open_descriptors();

/// Whether this process has any child, alive or not.
bool has_children();

/// Whether a process exists that is not a zombie; and whether one exists at all.
bool is_alive(pid_t pid);
bool exists(pid_t pid);

/// Checks, at its end, that no descriptor was left open and the signal mask is what it was.
class leaves_nothing {
public:
    leaves_nothing();
    ~leaves_nothing();

private:
    std::vector<int> descriptors_;
    std::string signals_;
};

/// A folder that goes with all that is in it.
class scratch_folder {
public:
    scratch_folder();
    ~scratch_folder();

    std::string path(std::string_view name) const { return path_ / name; }
    std::string path() const { return path_; }
    std::string write(std::string_view name, std::string_view content, unsigned mode = 0644) const;
    std::string read(std::string_view name) const;

private:
    std::filesystem::path path_;
};

/// Waits, without a loop, until a condition holds; false after a minute.
template <class Condition>
bool eventually(Condition condition)
{
    auto const deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        struct timespec const moment{0, 1'000'000};
        ::nanosleep(&moment, nullptr);
    }
    return true;
}

} // namespace test

namespace brood {

std::ostream& operator<<(std::ostream& out, spawn_backend backend);
std::ostream& operator<<(std::ostream& out, exit_reaper reaper);

} // namespace brood

#endif
