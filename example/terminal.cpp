// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// terminal: runs a command or the user's shell on a pseudo-terminal: terminal ls --color | cat
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <future>
#include <iostream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;

/// Standard input or output on the loop. The destructor restores its flags and modes, which the parent shares.
class standard_stream {
public:
    /// `raw`: sets the terminal to raw mode, so that every key is passed on, including ^C. No effect on other files.
    standard_stream(asio::io_context& loop, int fd, bool raw) : flags_(::fcntl(fd, F_GETFL)), stream_(loop, fd)
    {
        ::tcgetattr(fd, &mode_);
        termios mode = mode_;
        ::cfmakeraw(&mode);
        if (raw)
            ::tcsetattr(fd, TCSADRAIN, &mode);
    }
    ~standard_stream()
    {
        int const fd = stream_.release();
        ::fcntl(fd, F_SETFL, flags_); // the loop has set O_NONBLOCK
        ::tcsetattr(fd, TCSADRAIN, &mode_);
    }

    /// Calls read(2) or write(2), because async_read_some cannot wait for a regular file. A failure returns 0.
    template <class Call, class Data>
    asio::awaitable<std::size_t> transfer(stream_descriptor::wait_type event, Call call, Data* data, std::size_t size)
    {
        for (;;) {
            (void)co_await stream_.async_wait(event, brood::as_result);
            ssize_t const count = call(stream_.native_handle(), data, size);
            if (count >= 0 || (errno != EAGAIN && errno != EINTR))
                co_return count > 0 ? static_cast<std::size_t>(count) : 0;
        }
    }

private:
    int flags_;
    termios mode_{};
    stream_descriptor stream_;
};

brood::terminal_size own_terminal_size()
{
    winsize size{};
    bool const known = ::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
    return known ? brood::terminal_size{size.ws_row, size.ws_col} : brood::terminal_size();
}

asio::awaitable<void> copy_in(standard_stream& in, brood::child& child)
{
    std::array<char, 4096> buffer;
    for (std::size_t size = 1; size > 0;) { // writes ^D twice at the end: the first may only end a line
        size = co_await in.transfer(stream_descriptor::wait_read, ::read, buffer.data(), buffer.size());
        asio::const_buffer const input(size > 0 ? buffer.data() : "\x04\x04", size > 0 ? size : 2);
        (void)co_await asio::async_write(child.terminal(), input, brood::as_result);
    }
}

asio::awaitable<brood::exit_status> copy_out(brood::child& child, standard_stream& out)
{
    std::array<char, 4096> buffer;
    for (;;) {
        auto const read = co_await child.terminal().async_read_some(asio::buffer(buffer), brood::as_result);
        if (!read)
            co_return co_await child.async_wait();
        std::size_t count = 1;
        for (std::size_t done = 0; count > 0 && done < read.value(); done += count)
            count = co_await out.transfer(stream_descriptor::wait_write, ::write, &buffer[done], read.value() - done);
        if (count == 0)
            child.terminal().close(); // the output is closed: hang up
    }
}

/// Cancels the reading after the child's end if a descendant holds the terminal open.
asio::awaitable<void> end_reading(brood::child& child)
{
    brood::result<brood::exit_status> end = brood::errc::output_incomplete;
    while (!end && end.error() == brood::errc::output_incomplete)
        end = co_await child.async_wait_drained(std::chrono::milliseconds(20), brood::as_result);
}

asio::awaitable<void> handle_signals(asio::signal_set& signals, brood::child& child)
{
    for (;;) {
        int const signal = co_await signals.async_wait(asio::deferred);
        (void)child.resize_terminal(own_terminal_size());
        if (signal != SIGWINCH)
            child.async_stop(brood::stop_plan(SIGHUP, std::chrono::seconds(2)), asio::detached);
    }
}

} // namespace

int main(int argc, char** argv)
try {
    asio::io_context loop{1};
    asio::signal_set signals(loop, SIGWINCH, SIGTERM, SIGHUP);
    std::signal(SIGPIPE, SIG_IGN); // a failed write is reported; the child has the default action
    char const* const shell = std::getenv("SHELL");
    brood::command cmd(argc > 1 ? argv[1] : shell ? shell : "/bin/sh", {argv + (argc > 1 ? 2 : 1), argv + argc});
    auto spawned = brood::spawn(loop, cmd.terminal(own_terminal_size()));
    if (!spawned)
        throw std::runtime_error(describe(cmd, spawned.error()));
    auto& child = spawned.value();

    standard_stream out(loop, STDOUT_FILENO, false), in(loop, STDIN_FILENO, true);
    asio::co_spawn(loop, handle_signals(signals, child), asio::detached);
    asio::co_spawn(loop, copy_in(in, child), asio::detached);
    asio::co_spawn(loop, end_reading(child), asio::detached);
    auto status = asio::co_spawn(loop, copy_out(child, out), asio::use_future);
    while (status.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
        loop.run_one();
    return status.get().shell_code();
} catch (std::exception const& error) {
    std::cerr << "terminal: " << error.what() << '\n';
    return 1;
}
