// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// A program that is compiled with brood.cpp, the library in one file. See doc/one-file.md and the build files beside it.
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <exception>
#include <iostream>

namespace asio = boost::asio;

asio::awaitable<void> run_commands(asio::io_context& context)
{
    brood::child child = brood::spawn(context, brood::command("sh", "-c", "exit 3")).value();
    brood::exit_status const spawned = co_await child.async_wait();
    std::cout << "spawn: " << spawned << '\n';

    brood::exit_status const run = co_await brood::async_run(context, brood::command("sh", "-c", "kill -TERM $$"));
    std::cout << "async_run: " << run << '\n';

    brood::output const result = co_await brood::async_output(context, brood::command("echo", "hello from a child"));
    std::cout << "async_output: " << result.out;

    brood::command contained("echo", "hello from a contained child");
    contained.contained();
    brood::output const held = co_await brood::async_output(context, contained);
    std::cout << "contained: " << held.out;
}

int main()
try {
    asio::io_context context;
    asio::co_spawn(context, run_commands(context), [](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error);
    });
    context.run();
} catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
