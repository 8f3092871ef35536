// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <iostream>

namespace asio = boost::asio;

asio::awaitable<void> run()
{
    auto executor = co_await asio::this_coro::executor;
    for (auto line : {"true", "exit 3", "kill -TERM $$"}) {
        brood::exit_status status = co_await brood::async_run(executor, brood::command::shell(line));
        std::cout << line << ": " << status << '\n';
    }
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, run(), asio::detached);
    context.run();
}
