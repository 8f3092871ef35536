// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <iostream>
#include <string_view>

namespace asio = boost::asio;

asio::awaitable<void> follow()
{
    auto executor = co_await asio::this_coro::executor;
    brood::command download = brood::command::shell("for part in 1 2 3; do echo part $part; done; printf end");
    int count = 0;
    auto options = brood::output_options().on_out_line([&count](std::string_view line) {
        std::cout << ++count << ": " << line << '\n'; // as soon as the child has written the line
    });
    brood::output ended = co_await brood::async_output(executor, download, options);
    std::cout << ended.status << ", kept " << ended.out.size() << " bytes\n";
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, follow(), asio::detached);
    context.run();
}
