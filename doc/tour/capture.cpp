// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <iostream>

namespace asio = boost::asio;

asio::awaitable<void> capture()
{
    auto executor = co_await asio::this_coro::executor;
    auto options = brood::output_options().input("pear\napple\nquince\n").limit(1 << 20);
    brood::output sorted = co_await brood::async_output(executor, brood::command("sort", "-r"), options);
    std::cout << sorted.out << sorted.status << '\n';

    brood::output failed = co_await brood::async_output(executor, brood::command::shell("echo sorry >&2; exit 1"));
    std::cout << "out: " << failed.out.size() << " bytes, err: " << failed.err << failed.status << '\n';
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, capture(), asio::detached);
    context.run();
}
