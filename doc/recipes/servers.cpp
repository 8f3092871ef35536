// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <iostream>
#include <string>

#include <signal.h>
#include <unistd.h>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace boost::asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

namespace {

//! [restart]
// Keeps a program running. Cancelling it stops the program, and completes when the program has been reaped.
asio::awaitable<void> keep_running(brood::command command)
{
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        brood::exit_status status = co_await brood::async_run(timer.get_executor(), command);
        std::cerr << command << ": " << status << '\n';
        timer.expires_after(1s);
        co_await timer.async_wait(asio::use_awaitable);
    }
}
//! [restart]

//! [prefork]
// The parent listens and never accepts. Each worker is this program again, with the listening socket as descriptor 3.
brood::command worker(std::string const& self, tcp::acceptor& listener)
{
    brood::command command(self, "worker");
    return command.fd(3, brood::stdio::fd(listener.native_handle())).parent_death_signal(SIGTERM);
}

asio::awaitable<void> serve(int listening)
{
    tcp::acceptor acceptor(co_await asio::this_coro::executor, tcp::v4(), listening);
    for (;;) {
        tcp::socket connection = co_await acceptor.async_accept(asio::use_awaitable);
        auto const text = "worker " + std::to_string(::getpid()) + "\n";
        co_await asio::async_write(connection, asio::buffer(text), asio::use_awaitable);
    }
}
//! [prefork]

asio::awaitable<void> ask(tcp::endpoint server)
{
    tcp::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(server, asio::use_awaitable);
    std::string reply(6, '\0');
    co_await asio::async_read(socket, asio::buffer(reply), asio::use_awaitable);
    std::cout << reply << '\n';
}

asio::awaitable<void> show(std::string self)
{
    tcp::acceptor listener(co_await asio::this_coro::executor, {asio::ip::address_v4::loopback(), 0});
    brood::command command = worker(self, listener);
    co_await (ask(listener.local_endpoint()) || keep_running(command) || keep_running(command));
}

} // namespace

int main(int argc, char** argv)
{
    asio::io_context context;
    asio::co_spawn(context, argc > 1 ? serve(3) : show(argv[0]), asio::detached);
    context.run();
}
