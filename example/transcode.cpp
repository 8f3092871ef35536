// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// transcode: passes a file through a pipeline of commands and shows the progress:
//
//     transcode data.gz data.xz -- gzip -d ::: tr a-z A-Z ::: xz -T0
#include "options.hpp"
#include "progress_bar.hpp"
#include "signals.hpp"

#include <brood.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect_pipe.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/writable_pipe.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace asio::experimental::awaitable_operators;

constexpr char const* usage =
    "Usage: transcode INPUT OUTPUT -- command [argument...] [::: command [argument...]]...\n\n"
    "Passes INPUT through the commands and writes the output of the last one to OUTPUT. - means standard input or\n"
    "output. OUTPUT is created or replaced after all commands have succeeded. The last 10 lines that each command\n"
    "writes to standard error are printed. SIGINT, SIGTERM and SIGHUP stop the commands; a second one kills them.\n\n"
    "Exit code: that of the last failed command; 128 plus a signal; 1 for other errors; 2 for bad usage.\n\nOptions";

int open_file(std::string const& name, int flags)
{
    if (int const fd = ::open(name.c_str(), flags, 0666); fd >= 0)
        return fd;
    throw std::runtime_error(name + ": " + std::strerror(errno));
}

/// Returns another descriptor of a standard stream.
// The loop sets O_NONBLOCK, which other programs share. A pipe or a terminal is therefore opened again.
int reopen(int fd)
{
    auto const path = "/dev/fd/" + std::to_string(fd);
    int const own = fs::is_regular_file(path) ? -1 : ::open(path.c_str(), ::fcntl(fd, F_GETFL) | O_NONBLOCK | O_NOCTTY);
    return own >= 0 ? own : ::dup(fd);
}

/// Copies until an error, such as the end of the source. Returns the error of each. Only one piece is in memory.
asio::awaitable<std::pair<brood::error_code, brood::error_code>> copy(auto& source, auto& sink, std::size_t& count)
{
    for (std::vector<char> piece(65536);;) {
        auto const [end, size] = co_await source.async_read_some(asio::buffer(piece), asio::as_tuple(asio::deferred));
        auto const data = asio::buffer(piece.data(), size);
        auto const [error, written] = co_await asio::async_write(sink, data, asio::as_tuple(asio::deferred));
        count += written;
        if (end.failed() || error.failed())
            co_return std::pair(end, error);
    }
}

/// Runs the commands, on one thread.
struct transcoder {
    std::string const input_name, output_name;
    std::vector<brood::command> commands;
    fs::path const target = output_name == "-" ? "" : fs::weakly_canonical(output_name); // follows symbolic links
    fs::path const temporary = target.empty() ? "" : target.string() + '.' + std::to_string(::getpid()) + ".part";
    std::vector<std::deque<std::string>> last_lines = std::vector<std::deque<std::string>>(commands.size());
    asio::io_context loop{1};
    asio::posix::stream_descriptor input{loop}, output{loop};
    asio::writable_pipe source{loop}; // to the first command
    asio::readable_pipe sink{loop};   // from the last command that has been started
    brood::child_group group{loop};
    progress_bar bar{};
    std::size_t bytes_read = 0, bytes_written = 0;
    int exit_code = 0; // until the end, 128 plus the signal that stops the commands

    ~transcoder() { ::unlink(temporary.c_str()); }

    int run()
    {
        input.assign(input_name == "-" ? reopen(STDIN_FILENO) : open_file(input_name, O_RDONLY));
        output.assign(target.empty() ? reopen(STDOUT_FILENO) : open_file(temporary, O_WRONLY | O_CREAT | O_EXCL));
        asio::co_spawn(loop, handle_signals(), rethrow);
        if (::isatty(STDERR_FILENO) && !::isatty(output.native_handle()))
            asio::co_spawn(loop, show_progress(), rethrow);
        asio::co_spawn(loop, transcode(), rethrow);
        loop.run();
        return exit_code;
    }

    asio::awaitable<void> transcode()
    {
        asio::connect_pipe(sink, source);
        for (std::size_t i = 0; i < commands.size(); ++i)
            co_await start(commands[i], last_lines[i]);
        asio::co_spawn(loop, feed(), rethrow);
        auto const [ignored, error] = co_await copy(sink, output, bytes_written);
        if (error.failed() && exit_code == 0)
            throw std::runtime_error(output_name + ": " + error.message());
        std::vector<brood::exit_status> statuses(commands.size());
        for (auto left = commands.size(); left > 0; --left) {
            auto const [lost, result] = co_await group.async_next(asio::as_tuple(asio::deferred));
            statuses[result.index] = result.status;
        }
        if (exit_code != 0)
            co_return;
        bar.clear();
        for (std::size_t i = 0; i < commands.size(); ++i) {
            if (!statuses[i].success() || !last_lines[i].empty())
                std::cerr << "transcode: " << commands[i] << ": " << statuses[i] << '\n';
            for (auto const& line : last_lines[i])
                std::cerr << "  " << line << '\n';
        }
        exit_code = brood::pipefail(statuses).shell_code();
        output.close();
        if (exit_code == 0 && !target.empty())
            fs::rename(temporary, target);
        loop.stop();
    }

    // Starts a command that reads from the previous one.
    asio::awaitable<void> start(brood::command& cmd, std::deque<std::string>& lines)
    {
        auto const keep = [&lines](std::string_view line) {
            lines.emplace_back(line);
            if (lines.size() > 10)
                lines.pop_front();
        };
        cmd.in(brood::stdio::from(std::move(sink))).err(brood::stdio::piped());
        asio::writable_pipe out(loop);
        asio::connect_pipe(sink, out);
        // Its own process group: it does not receive the terminal's ^C, and a stop reaches its descendants.
        cmd.out(brood::stdio::from(std::move(out))).process_group();
        auto const options = brood::output_options().on_err_line(keep);
        auto const child = co_await group.async_spawn(cmd, options, brood::as_result);
        if (!child && exit_code == 0)
            throw std::runtime_error(describe(cmd, child.error()));
    }

    asio::awaitable<void> feed()
    {
        auto const [end, ignored] = co_await copy(input, source, bytes_read); // the first command may read only a part
        if (end.failed() && end != asio::error::eof)
            throw std::runtime_error(input_name + ": " + end.message());
        source.close();
    }

    asio::awaitable<void> handle_signals()
    {
        asio::signal_set signals(loop);
        add_stop_signals(signals);
        exit_code = 128 + co_await signals.async_wait(asio::deferred);
        bar.clear();
        std::cerr << "transcode: stopping; send the signal again to kill\n";
        co_await (group.async_stop(asio::use_awaitable) || signals.async_wait(asio::use_awaitable));
        loop.stop();
    }

    asio::awaitable<void> show_progress()
    {
        auto const file = "/dev/fd/" + std::to_string(input.native_handle());
        auto const total = fs::is_regular_file(file) ? fs::file_size(file) : 0;
        auto const begin = std::chrono::steady_clock::now();
        for (;;) {
            std::chrono::duration<double> const time = std::chrono::steady_clock::now() - begin;
            auto const megabytes = static_cast<double>(bytes_read) / 1e6;
            char text[60];
            std::snprintf(text, sizeof text, "%.1f MB, %.1f MB/s", megabytes, megabytes / time.count());
            bar.draw(bytes_read, total, text);
            co_await asio::steady_timer(loop, std::chrono::milliseconds(100)).async_wait(asio::deferred);
        }
    }
};

} // namespace

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN); // a failed write is reported; commands have the default action
    return run_program("transcode", [&] {
        po::options_description known(usage);
        auto const words = parse_options(argc, argv, known);
        if (words.size() < 3 || words[2] != "--")
            throw po::error("INPUT, OUTPUT, -- and a command are required; try --help");
        if (words[1] != "-" && fs::exists(words[1]) && !fs::is_regular_file(words[1]))
            throw po::error(words[1] + " is not a regular file; write to it by - and a redirection");
        return transcoder{words[0], words[1], split_commands({words.begin() + 3, words.end()})}.run();
    });
}
