// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/counting_allocator.hpp"
#include "support/on_terminal.hpp"
#include "support/support.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <atomic>
#include <optional>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("terminal");

TEST_CASE("the child sees that its window changes")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto child = brood::spawn(ex, on_terminal(by, "sizes")).value();
            CHECK(co_await read_line(child.terminal()) == "24x80\r");
            CHECK(child.resize_terminal({50, 132}));
            CHECK(co_await read_line(child.terminal()) == "50x132\r");
            auto taken = std::move(child.terminal());
            CHECK(taken.resize({7, 8}));
            CHECK(co_await read_line(taken) == "7x8\r");
        }(w));
    }
}

TEST_CASE("all that the child has written comes, and then the end of the file")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            for (std::size_t size : {0u, 1u, 4096u, 300'000u}) {
                auto child = brood::spawn(ex, on_terminal(by, "write-much", "1", std::to_string(size))).value();
                CHECK((co_await read_all(child.terminal())).size() == size);
                CHECK((co_await child.async_wait()).success());
            }
            // What was written before the end can be read after it.
            auto child = brood::spawn(ex, on_terminal(by, "write", "1", "last words")).value();
            CHECK((co_await child.async_wait()).success());
            CHECK(co_await read_all(child.terminal()) == "last words");
        }(w));
    }
}

TEST_CASE("blocking reads end the same way")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto child = brood::spawn(context, on_terminal(w, "write", "1", "text")).value();
        std::array<char, 16> buffer;
        CHECK(asio::read(child.terminal(), asio::buffer(buffer, 4)) == 4);
        error_code ec;
        CHECK(child.terminal().read_some(asio::buffer(buffer), ec) == 0);
        CHECK(ec == asio::error::eof);
        CHECK_THROWS_AS(child.terminal().read_some(asio::buffer(buffer)), boost::system::system_error);
        CHECK(child.wait().value().success());
    }
}

TEST_CASE("what is typed reaches the child, up to the end of its input")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto cmd = on_terminal(by, "copy");
            auto child = brood::spawn(ex, cmd.out(stdio::piped())).value();
            co_await asio::async_write(child.terminal(), asio::buffer("typed\n\x04", 7), asio::use_awaitable);
            CHECK(co_await read_all(child.out()) == "typed\n");
            CHECK(co_await read_all(child.terminal()) == "typed\r\n"); // the echo
            CHECK((co_await child.async_wait()).success());
        }(w));
    }
}

TEST_CASE("a read keeps the handler's executor, allocator and cancellation slot")
{
    asio::io_context context;
    auto const w = terminal_ways().front();
    auto child = brood::spawn(context, on_terminal(w, "wait", "0")).value();
    auto const strand = asio::make_strand(context);
    asio::cancellation_signal cancel;
    std::atomic<int> allocations = 0;
    std::array<char, 64> buffer;
    std::optional<error_code> ended;
    bool on_strand = false;
    auto const start = [&] {
        auto handler = [&](error_code ec, std::size_t) {
            ended = ec;
            on_strand = strand.running_in_this_thread();
        };
        child.terminal().async_read_some(
            asio::buffer(buffer),
            asio::bind_cancellation_slot(
                cancel.slot(),
                asio::bind_allocator(counting_allocator<void*>(allocations), asio::bind_executor(strand, handler))));
        context.restart();
    };

    start();
    context.run_one_for(60s);
    while (!ended && context.run_one_for(60s)) {}
    REQUIRE(ended); // with "ready"
    CHECK_FALSE(ended->failed());
    CHECK(on_strand);
    CHECK(allocations > 0);

    ended.reset();
    start();
    cancel.emit(asio::cancellation_type::total);
    while (!ended && context.run_one_for(60s)) {}
    REQUIRE(ended);
    CHECK(*ended == asio::error::operation_aborted);
}

TEST_CASE("^C typed at it ends the child")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto child = brood::spawn(ex, on_terminal(by, "pause")).value();
            CHECK(co_await read_line(child.terminal()) == "ready\r");
            co_await asio::async_write(child.terminal(), asio::buffer("\x03", 1), asio::use_awaitable);
            CHECK((co_await child.async_wait()).signal() == SIGINT);
        }(w));
    }
}

TEST_CASE("closing it hangs the child up")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto child = brood::spawn(ex, on_terminal(by, "pause")).value();
            co_await read_line(child.terminal());
            child.terminal().close();
            CHECK((co_await child.async_wait()).signal() == SIGHUP);
        }(w));
    }
}

TEST_CASE("a command without a terminal has none")
{
    asio::io_context context;
    auto child = brood::spawn(context, probe(all_ways().front(), "exit", "0")).value();
    CHECK_FALSE(child.terminal().is_open());
    CHECK(child.resize_terminal({1, 1}).error() == std::errc::bad_file_descriptor);
}

TEST_CASE("a child keeps its terminal when it changes its executor or its object")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        run_on(context, [](asio::io_context& loop, way by) -> asio::awaitable<void> {
            auto special = brood::spawn(loop.get_executor(), on_terminal(by, "terminal")).value();
            brood::child child(std::move(special));
            brood::child moved(std::move(child));
            CHECK_FALSE(child.terminal().is_open());
            auto const refused = child.resize_terminal({1, 1});
            CHECK(refused.error() == std::errc::bad_file_descriptor);
            CHECK(stage_of(refused.error()) == spawn_stage::terminal);
            CHECK(co_await read_all(moved.terminal()) == "yes yes yes 24x80");
            CHECK((co_await moved.async_wait()).success());
        }(context, w));
    }
}

TEST_SUITE_END();
