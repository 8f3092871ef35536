// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/write.hpp>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("lines");

TEST_CASE("async_read_until: reads the output of a running child line by line")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto cmd = probe(config, "copy-to-both");
        cmd.in(stdio::piped()).out(stdio::piped()).err(stdio::null());
        auto child = brood::spawn(co_await asio::this_coro::executor, cmd).value();
        std::string text;
        auto const next_line = [&]() -> asio::awaitable<std::string> {
            auto const size =
                co_await asio::async_read_until(child.out(), asio::dynamic_buffer(text), '\n', asio::use_awaitable);
            std::string line = text.substr(0, size);
            text.erase(0, size);
            co_return line;
        };
        co_await asio::async_write(child.in(), asio::buffer("one\ntwo\nthr", 11), asio::use_awaitable);
        CHECK(co_await next_line() == "one\n");
        CHECK(co_await next_line() == "two\n");
        co_await asio::async_write(child.in(), asio::buffer("ee\nlast", 7), asio::use_awaitable);
        CHECK(co_await next_line() == "three\n");
        child.in().close();

        // The last line is not terminated, so it remains in the buffer.
        error_code ec;
        co_await asio::async_read_until(
            child.out(), asio::dynamic_buffer(text), '\n', asio::redirect_error(asio::use_awaitable, ec));
        CHECK(ec == asio::error::eof);
        CHECK(text == "last");
        CHECK((co_await child.async_wait()).success());
    });
}

TEST_CASE("async_read_until: fails with not_found if a line exceeds the maximum size of the buffer")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto cmd = probe(config, "write-much", "1", "1000000");
        auto child = brood::spawn(co_await asio::this_coro::executor, cmd.out(stdio::piped())).value();
        std::string text;
        error_code ec;
        co_await asio::async_read_until(
            child.out(), asio::dynamic_buffer(text, 100), '\n', asio::redirect_error(asio::use_awaitable, ec));
        CHECK(ec == asio::error::not_found);
        CHECK(text == std::string(100, 'x'));
        co_await child.async_kill();
    });
}

TEST_SUITE_END();
