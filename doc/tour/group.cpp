// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace asio = boost::asio;

asio::awaitable<void> run_all(std::vector<std::string> lines)
{
    brood::child_group group(co_await asio::this_coro::executor, brood::group_options().max_running(2));
    for (auto const& line : lines)
        co_await group.async_spawn(brood::command::shell(line).out(brood::stdio::piped()));

    std::vector<std::string> results(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        brood::group_result ended = co_await group.async_next(); // in the order of their ends
        results[ended.index] = to_string(ended.status) + ": " + ended.out;
    }
    for (auto const& result : results)
        std::cout << result << '\n';
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, run_all({"printf one", "printf two; exit 2", "printf three"}), asio::detached);
    context.run();
}
