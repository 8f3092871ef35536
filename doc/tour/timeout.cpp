// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <iostream>
#include <system_error>

#include <signal.h>

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> limit()
{
    auto executor = co_await asio::this_coro::executor;
    auto options = brood::output_options().timeout(200ms).stop(brood::stop_plan(SIGTERM, 1min));
    // The status and the output are valid with an error, too. as_tuple returns all of them.
    auto [error, ended] =
        co_await brood::async_output(executor, brood::command("sleep", "600"), options, asio::as_tuple(asio::deferred));
    std::cout << error.message() << "; " << ended.status << '\n';
    std::cout << (error == std::errc::timed_out) << '\n';
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, limit(), asio::detached);
    context.run();
}
