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
#include <type_traits>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace test {

/// A backend and a watcher.
struct backend_config {
    brood::spawn_backend backend;
    brood::exit_watcher watcher;

    friend std::ostream& operator<<(std::ostream& out, backend_config const& config);
};

/// Every combination that this machine supports.
std::vector<backend_config> all_configs();

/// Every backend that this machine supports, with the automatic watcher.
std::vector<backend_config> all_backends();

/// Those of `all_configs` that can change credentials.
std::vector<backend_config> credentials_configs();

/// Whether the library supports what only Linux has: cgroups, affinity, parent-death signals.
bool knows_linux();

/// Whether the kernel reports the status of a process that has been reaped (Linux 6.15).
bool recalls_status();

/// Skips a test if threads cannot be created because their system calls are refused.
doctest::skip needs_threads();

/// Skips a test if pidfds are not available.
doctest::skip needs_pidfd();

/// The path of the test child: see test/programs/probe.cpp.
std::string probe_path();

template <class... Args>
brood::command probe(backend_config const& config, Args const&... args)
{
    brood::command cmd(probe_path(), args...);
    cmd.backend(config.backend).watcher(config.watcher);
    return cmd;
}

/// Runs an awaitable on a new context. It must complete within a minute.
void run(asio::awaitable<void> body);

/// Runs an awaitable on an existing context.
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

/// Reads one line and removes the newline. Children write a line when they are ready.
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

/// Spawns the child, reads its standard output and waits: once by `spawn`, once by `async_spawn`. Both must succeed.
asio::awaitable<finished> output_of(brood::command cmd);

/// The standard output of a child that must succeed. Runs a context.
std::string output_of_now(brood::command const& cmd);

/// The error of a spawn that must fail and leak nothing. `async_spawn` must fail with the same error.
brood::error_code failure_of(brood::command const& cmd);

/// The word that follows another word in a text.
std::string after(std::string const& text, std::string const& word);

std::vector<std::string> split(std::string_view text, char separator);

/// This process's open descriptors.
std::vector<int> open_descriptors();

/// Whether this process has a child, running or zombie.
bool has_children();

/// The state of a process as proc(5) names it: R, S, D, Z, T, t, ...; 0 if there is none.
char process_state(pid_t pid);

/// Whether a process runs, and whether it exists: a zombie exists but does not run.
bool is_alive(pid_t pid);
bool exists(pid_t pid);

/// Its destructor checks that the open descriptors and the signal mask have not changed.
class leak_check {
public:
    leak_check();
    ~leak_check();

private:
    std::vector<int> descriptors_;
    std::string signals_;
};

/// A temporary folder. The destructor deletes it with its content.
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

/// Waits until a condition holds, without an event loop. Returns false after a minute.
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

/// Calls a test body for each configuration. Each call must leave no child, no descriptor and no changed signal mask.
/**
 * A body that is a coroutine runs on a context of its own.
 */
template <class Body>
void for_each(std::vector<backend_config> const& configs, Body body)
{
    for (auto const& config : configs) {
        CAPTURE(config);
        leak_check const leaks;
        if constexpr (std::is_void_v<std::invoke_result_t<Body&, backend_config const&>>)
            body(config);
        else
            run(body(config));
        CHECK(eventually([] { return !has_children(); }));
    }
}

/// The fixture of every test that spawns: calls the body for every available backend and watcher.
template <class Body>
void for_each_config(Body body)
{
    for_each(all_configs(), std::move(body));
}

/// For tests in which the watcher makes no difference.
template <class Body>
void for_each_backend(Body body)
{
    for_each(all_backends(), std::move(body));
}

} // namespace test

#endif
