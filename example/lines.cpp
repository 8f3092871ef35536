// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// lines: runs a command and shows its output line by line with line numbers: lines make -j4
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read_until.hpp>

#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

namespace {

namespace asio = boost::asio;

constexpr std::size_t max_length = 4096; // longer lines are shown in pieces

void show(int number, std::string const& text, char const* remark = "")
{
    std::cout << number << ": " << text << remark << std::endl; // flushes, so that each line is visible immediately
}

asio::awaitable<brood::exit_status> follow(asio::io_context& loop, brood::command cmd)
{
    auto spawned = brood::spawn(loop, cmd.out(brood::stdio::piped()).err(brood::stdio::same_as(1)));
    if (!spawned)
        throw std::runtime_error(describe(cmd, spawned.error()));
    auto& child = spawned.value();
    std::string text; // read, but not shown yet
    for (int number = 1;; ++number) {
        auto const line = asio::dynamic_buffer(text, max_length);
        brood::result<std::size_t> const size =
            co_await asio::async_read_until(child.out(), line, '\n', brood::as_result);
        if (size) {
            show(number, text.substr(0, size.value() - 1));
            text.erase(0, size.value()); // may leave the start of the next line
        } else if (size.error() == asio::error::not_found) {
            show(number, text, " [continued]");
            text.clear();
        } else {
            if (!text.empty())
                show(number, text, " [no newline]");
            co_return co_await child.async_wait();
        }
    }
}

} // namespace

int main(int argc, char** argv)
try {
    if (argc < 2) {
        std::cerr << "Usage: lines command [argument...]\n";
        return 2;
    }
    asio::io_context loop{1};
    int exit_code = 1;
    auto const on_exit = [&](std::exception_ptr failure, brood::exit_status status) {
        if (failure)
            std::rethrow_exception(failure);
        if (!status.success())
            std::cerr << "lines: " << argv[1] << ": " << status << '\n';
        exit_code = status.shell_code();
    };
    asio::co_spawn(loop, follow(loop, brood::command(argv[1], {argv + 2, argv + argc})), on_exit);
    loop.run();
    return exit_code;
} catch (std::exception const& error) {
    std::cerr << "lines: " << error.what() << '\n';
    return 1;
}
