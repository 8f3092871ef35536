// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/spawn.hpp>

#include <exception>
#include <iostream>

namespace asio = boost::asio;

namespace {

//! [stackful]
void list_files(asio::yield_context yield)
{
    auto executor = yield.get_executor();
    brood::output ended = brood::async_output(executor, brood::command("echo", "one", "two"), yield);
    std::cout << ended.out;

    brood::error_code error; // with yield[error], errors are not thrown
    brood::async_run(executor, brood::command("no-such-program"), yield[error]);
    std::cout << error.message() << '\n';
}
//! [stackful]

} // namespace

int main()
{
    asio::io_context context;
    asio::spawn(context, list_files, [](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error);
    });
    context.run();
}
