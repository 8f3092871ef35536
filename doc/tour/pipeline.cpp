// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <iostream>

namespace asio = boost::asio;

asio::awaitable<void> count()
{
    auto executor = co_await asio::this_coro::executor;
    auto line = brood::command("printf", "b\na\nb\n") | brood::command("sort") | brood::command("uniq", "-d");
    std::cout << line << '\n';
    brood::pipeline_output repeated = co_await brood::async_output(executor, line);
    std::cout << repeated.out;

    auto failing = brood::command("true") | brood::command::shell("exit 2") | brood::command("cat");
    brood::pipeline_output failed = co_await brood::async_output(executor, failing);
    for (brood::exit_status status : failed.statuses)
        std::cout << status << '\n';
    std::cout << "pipefail: " << brood::pipefail(failed.statuses) << '\n';
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, count(), asio::detached);
    context.run();
}
