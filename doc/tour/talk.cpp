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
#include <boost/asio/write.hpp>

#include <iostream>
#include <string>

namespace asio = boost::asio;

asio::awaitable<std::string> ask(brood::child& child, std::string question)
{
    co_await asio::async_write(child.in(), asio::buffer(question), asio::use_awaitable);
    std::string answer;
    co_await asio::async_read_until(child.out(), asio::dynamic_buffer(answer), '\n', asio::use_awaitable);
    co_return answer;
}

asio::awaitable<void> talk()
{
    brood::command calculator = brood::command::shell("while read -r a b; do echo $((a * b)); done");
    calculator.in(brood::stdio::piped()).out(brood::stdio::piped());
    brood::child child = co_await brood::async_spawn(co_await asio::this_coro::executor, calculator);

    std::cout << co_await ask(child, "6 7\n");
    std::cout << co_await ask(child, "111 9\n");
    child.in().close(); // the child reads end of file
    std::cout << co_await child.async_wait() << '\n';
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, talk(), asio::detached);
    context.run();
}
