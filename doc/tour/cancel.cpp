// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <iostream>
#include <variant>

namespace asio = boost::asio;
using namespace boost::asio::experimental::awaitable_operators;

asio::awaitable<void> race()
{
    auto executor = co_await asio::this_coro::executor;
    brood::command fast = brood::command::shell("echo fast");
    brood::command slow = brood::command::shell("exec sleep 600");
    // The first to end cancels the other. A cancelled operation stops its child and completes when it is reaped.
    auto winner = co_await (
        brood::async_output(executor, fast, asio::use_awaitable) ||
        brood::async_output(executor, slow, asio::use_awaitable));
    std::cout << "first: " << std::visit([](auto const& ended) { return ended.out; }, winner);
    // Here no child is left: neither running nor a zombie.
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, race(), asio::detached);
    context.run();
}
