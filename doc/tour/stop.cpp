// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <iostream>
#include <string>

#include <signal.h>

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> stop(char const* script, brood::stop_plan plan)
{
    brood::command service = brood::command::shell(script).out(brood::stdio::piped());
    brood::child child = co_await brood::async_spawn(co_await asio::this_coro::executor, service);
    std::string line;
    co_await asio::async_read_until(child.out(), asio::dynamic_buffer(line), '\n', asio::use_awaitable);

    // The operation completes when the child has been reaped.
    std::cout << co_await child.async_stop(plan) << '\n';
}

asio::awaitable<void> stop_both()
{
    co_await stop("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done", brood::stop_plan(SIGTERM, 1min));
    co_await stop("trap '' TERM; echo ready; exec sleep 600", brood::stop_plan(SIGTERM, 200ms)); // then SIGKILL
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, stop_both(), asio::detached);
    context.run();
}
