// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F6: how fast a child's output is captured, beside read(2) in a loop, 64 KiB at a time.
//
// Two such loops are measured. One throws away what it reads: the rate of the pipe. The other one keeps it, as a capture
// must, and is the floor: it reads straight into memory that realloc(3) grows, which moves pages and copies nothing.
#include "check.hpp"
#include "measure.hpp"
#include "options.hpp"

#include <brood/output.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace po = boost::program_options;

namespace {

constexpr std::size_t mib = 1024 * 1024;

struct writer {
    std::string program = bench::program_beside("write_child");
    std::string mib;
};

void expect(std::size_t got, std::size_t wanted)
{
    if (got != wanted)
        throw std::runtime_error("only a part of the output came");
}

constexpr std::size_t block = 64 * 1024;

/// Reads until the child's output ends. `room` tells where the next block goes, from how much has come.
template <class Room>
void read_all(writer const& child, std::size_t wanted, Room room)
{
    int ends[2];
    bench::check(::pipe2(ends, O_CLOEXEC), "pipe2");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char* argv[] = {const_cast<char*>(child.program.c_str()), const_cast<char*>(child.mib.c_str()), nullptr};
    pid_t pid = 0;
    bench::check(-::posix_spawn(&pid, argv[0], &actions, nullptr, argv, environ), "posix_spawn");
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    std::size_t total = 0;
    while (auto const count = bench::check(::read(ends[0], room(total), block), "read"))
        total += static_cast<std::size_t>(count);
    ::close(ends[0]);
    bench::check(::waitpid(pid, nullptr, 0), "waitpid");
    expect(total, wanted);
}

void discard(writer const& child, std::size_t wanted)
{
    std::vector<char> room(block);
    read_all(child, wanted, [&](std::size_t) { return room.data(); });
}

void keep(writer const& child, std::size_t wanted)
{
    struct release {
        void operator()(char* text) const { std::free(text); }
    };
    std::unique_ptr<char, release> text;
    std::size_t size = 0;
    read_all(child, wanted, [&](std::size_t total) {
        if (total + block > size) {
            size = std::max(2 * size, 16 * block);
            auto* const grown = static_cast<char*>(std::realloc(text.release(), size));
            if (!grown)
                throw std::bad_alloc();
            text.reset(grown);
        }
        return text.get() + total;
    });
}

void capture(writer const& child, std::size_t wanted)
{
    boost::asio::io_context context;
    std::size_t got = 0;
    brood::async_output(
        context, brood::command(child.program, child.mib), [&](brood::error_code ec, brood::output all) {
            if (!ec.failed() && all.status.success())
                got = all.out.size();
        });
    context.run();
    expect(got, wanted);
}

void measure(int size, int rounds)
{
    writer const child{.mib = std::to_string(size)};
    auto const wanted = static_cast<std::size_t>(size) * mib;
    auto const contender = [&](char const* name, auto work) {
        auto const run = [&child, wanted, work] {
            auto const start = bench::clock::now();
            work(child, wanted);
            return static_cast<double>(wanted) / 1e3 / bench::microseconds(bench::clock::now() - start);
        };
        return bench::contender{name, run, rounds};
    };
    auto const standings = bench::compare(
        {contender("read and keep", keep), contender("read and discard", discard),
         contender("brood async_output", capture)});
    bench::tell("capture", size, standings, "GB/s");
}

} // namespace

int main(int argc, char** argv)
{
    int size = 2048, rounds = 5;
    po::options_description all("Captures a child's output. Options");
    // clang-format off
    all.add_options()
        ("mib", po::value(&size), "how much; default 2048")
        ("rounds", po::value(&rounds), "default 5");
    // clang-format on
    return bench::run(argc, argv, all, [&] { measure(size, rounds); });
}
