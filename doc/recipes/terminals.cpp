// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include <unistd.h>

namespace asio = boost::asio;
using namespace boost::asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

namespace {

//! [terminal]
asio::awaitable<std::string> read_all(brood::terminal& terminal)
{
    std::string text;
    co_await asio::async_read(terminal, asio::dynamic_buffer(text), asio::as_tuple(asio::use_awaitable));
    co_return text;
}

// For programs that behave differently on a terminal: colours, progress bars, passwords.
asio::awaitable<std::string> on_terminal(brood::command command)
{
    command.terminal({40, 132}); // rows and columns; child.resize_terminal changes them later
    brood::child child = co_await brood::async_spawn(co_await asio::this_coro::executor, command);
    // A daemon of the child may hold the terminal open: it delays the end by a second at most.
    auto [text, status] = co_await (read_all(child.terminal()) && child.async_wait_drained(1s, asio::use_awaitable));
    status.check().value();
    co_return text;
}
//! [terminal]

//! [foreground]
// Runs an editor on the terminal of this program. The keys ^C and ^Z reach the editor and not this program.
asio::awaitable<brood::exit_status> edit(brood::command editor)
{
    brood::child child = co_await brood::async_spawn(co_await asio::this_coro::executor, editor.foreground());
    co_return co_await child.async_wait(); // then the terminal has its modes and its foreground group again
}
//! [foreground]

//! [jobs]
// A job of a shell: stop it, let it continue in the background, and end it with everything in its process group.
asio::awaitable<brood::exit_status> control(brood::command command)
{
    brood::child job = co_await brood::async_spawn(co_await asio::this_coro::executor, command.process_group());
    job.signal_group(SIGSTOP).value();
    job.signal_group(SIGCONT).value();
    co_return co_await job.async_stop();
}
//! [jobs]

asio::awaitable<void> show(std::string self)
{
    std::string text = co_await on_terminal(brood::command::shell("test -t 1 && stty size"));
    text += co_await on_terminal(brood::command(self, "edit"));
    std::erase(text, '\r'); // a terminal ends lines by two characters
    std::cout << text << co_await control(brood::command("sleep", "600")) << '\n';
}

asio::awaitable<void> show_edit()
{
    pid_t own = ::getpgrp();
    brood::exit_status status = co_await edit(brood::command::shell("read -r word </dev/null; test -t 0"));
    std::cout << status << (::tcgetpgrp(0) == own ? ", in the foreground again\n" : ", in the background\n");
}

} // namespace

int main(int argc, char** argv)
{
    asio::io_context context;
    asio::co_spawn(context, argc > 1 ? show_edit() : show(argv[0]), asio::detached);
    context.run();
}
