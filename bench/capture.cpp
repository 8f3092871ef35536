// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F6: the throughput of capturing a child's output, relative to read(2) in a loop with blocks of 64 KiB.
//
// Two loops are measured. The first keeps the data, as a capture must, and is the floor. It reads directly into memory
// that realloc(3) grows by remapping pages, without copying. The second discards the data: the throughput of the pipe.
//
// "brood on_out" passes the data to a function. Its "peak" is the number of bytes by which that raises the peak of the
// resident memory.
#include "check.hpp"
#include "measure.hpp"
#include "options.hpp"

#include <brood/run.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace po = boost::program_options;

namespace {

constexpr std::size_t bytes_per_mib = 1024 * 1024;
constexpr std::size_t block_size = 64 * 1024;

struct writer {
    std::string program = bench::path_of_program("write_child");
    std::string mib;
};

void check_size(std::size_t size, std::size_t expected)
{
    if (size != expected)
        throw std::runtime_error("the output is incomplete");
}

/// Runs the child and reads its output to the end. `buffer_at(offset)` returns memory for the block at that offset.
template <class BufferAt>
void read_all(writer const& child, std::size_t expected_size, BufferAt buffer_at)
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
    std::size_t size = 0;
    while (auto const count = bench::check(::read(ends[0], buffer_at(size), block_size), "read"))
        size += static_cast<std::size_t>(count);
    ::close(ends[0]);
    bench::check(::waitpid(pid, nullptr, 0), "waitpid");
    check_size(size, expected_size);
}

void read_and_discard(writer const& child, std::size_t expected_size)
{
    std::vector<char> buffer(block_size);
    read_all(child, expected_size, [&](std::size_t) { return buffer.data(); });
}

void read_and_keep(writer const& child, std::size_t expected_size)
{
    struct deleter {
        void operator()(char* memory) const { std::free(memory); }
    };
    std::unique_ptr<char, deleter> text;
    std::size_t capacity = 0;
    read_all(child, expected_size, [&](std::size_t offset) {
        if (offset + block_size > capacity) {
            capacity = std::max(2 * capacity, 16 * block_size);
            auto* const grown = static_cast<char*>(std::realloc(text.release(), capacity));
            if (!grown)
                throw std::bad_alloc();
            text.reset(grown);
        }
        return text.get() + offset;
    });
}

void async_output(writer const& child, std::size_t expected_size)
{
    boost::asio::io_context context;
    std::size_t size = 0;
    brood::async_output(
        context, brood::command(child.program, child.mib), [&](brood::error_code ec, brood::output output) {
            if (!ec.failed() && output.status.success())
                size = output.out.size();
        });
    context.run();
    check_size(size, expected_size);
}

void pass_to_function(writer const& child, std::size_t expected_size)
{
    boost::asio::io_context context;
    std::size_t size = 0;
    auto const count = [&size](std::string_view piece) { size += piece.size(); };
    brood::async_output(
        context, brood::command(child.program, child.mib), brood::output_options().on_out(count),
        [](brood::error_code, brood::output const&) {});
    context.run();
    check_size(size, expected_size);
}

double peak_resident_bytes()
{
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024;
}

void measure(int mib, int rounds)
{
    writer const child{.mib = std::to_string(mib)};
    auto const size = static_cast<std::size_t>(mib) * bytes_per_mib;
    auto const before = peak_resident_bytes();
    pass_to_function(child, size);
    bench::emit("capture", mib, "brood on_out", "peak", peak_resident_bytes() - before);
    auto const contender = [&](char const* name, auto capture) {
        auto const run = [&child, size, capture] {
            auto const start = bench::clock::now();
            capture(child, size);
            return static_cast<double>(size) / 1e3 / bench::microseconds(bench::clock::now() - start);
        };
        return bench::contender{name, run, rounds};
    };
    auto const summaries = bench::compare(
        {contender("read and keep", read_and_keep), contender("read and discard", read_and_discard),
         contender("brood async_output", async_output), contender("brood on_out", pass_to_function)});
    bench::emit("capture", mib, summaries, "GB/s");
}

} // namespace

int main(int argc, char** argv)
{
    int mib = 2048, rounds = 5;
    po::options_description description("Captures a child's output. Options");
    // clang-format off
    description.add_options()
        ("mib", po::value(&mib), "size of the output; default 2048")
        ("rounds", po::value(&rounds), "default 5");
    // clang-format on
    return bench::run_main(argc, argv, description, [&] { measure(mib, rounds); });
}
