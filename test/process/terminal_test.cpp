// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/counting_allocator.hpp"
#include "support/kill_guard.hpp"
#include "support/on_terminal.hpp"
#include "support/support.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("terminal");

TEST_CASE("terminal: the child is notified of a new window size")
{
    for_each(terminal_configs(), [](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = brood::spawn(ex, on_terminal(config, "sizes")).value();
        CHECK(co_await read_line(child.terminal()) == "24x80\r");
        CHECK(child.resize_terminal({50, 132}));
        CHECK(co_await read_line(child.terminal()) == "50x132\r");
        auto moved = std::move(child.terminal());
        CHECK(moved.resize({7, 8}));
        CHECK(co_await read_line(moved) == "7x8\r");
    });
}

TEST_CASE("terminal: all output of the child is read before end-of-file")
{
    for_each(terminal_configs(), [](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        for (std::size_t size : {0u, 1u, 4096u, 300'000u}) {
            auto child = brood::spawn(ex, on_terminal(config, "write-much", "1", std::to_string(size))).value();
            CHECK((co_await read_all(child.terminal())).size() == size);
            CHECK((co_await child.async_wait()).success());
        }
        // Output written before the exit can be read after the exit.
        auto child = brood::spawn(ex, on_terminal(config, "write", "1", "last words")).value();
        CHECK((co_await child.async_wait()).success());
        CHECK(co_await read_all(child.terminal()) == "last words");
    });
}

TEST_CASE("terminal: blocking reads report end-of-file")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        asio::io_context context;
        auto child = brood::spawn(context, on_terminal(config, "write", "1", "text")).value();
        std::array<char, 16> buffer;
        CHECK(asio::read(child.terminal(), asio::buffer(buffer, 4)) == 4);
        error_code ec;
        CHECK(child.terminal().read_some(asio::buffer(buffer), ec) == 0);
        CHECK(ec == asio::error::eof);
        CHECK_THROWS_AS(child.terminal().read_some(asio::buffer(buffer)), boost::system::system_error);
        CHECK(child.wait().value().success());
    });
}

TEST_CASE("terminal: the child reads written input up to end-of-file")
{
    for_each(terminal_configs(), [](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto cmd = on_terminal(config, "copy");
        auto child = brood::spawn(ex, cmd.out(stdio::piped())).value();
        co_await asio::async_write(child.terminal(), asio::buffer("typed\n\x04", 7), asio::use_awaitable);
        CHECK(co_await read_all(child.out()) == "typed\n");
        CHECK(co_await read_all(child.terminal()) == "typed\r\n"); // the echo
        CHECK((co_await child.async_wait()).success());
    });
}

TEST_CASE("terminal: a read uses the executor, allocator and cancellation slot of its handler")
{
    asio::io_context context;
    auto const config = terminal_configs().front();
    auto child = brood::spawn(context, on_terminal(config, "wait", "0")).value();
    auto const strand = asio::make_strand(context);
    asio::cancellation_signal cancel;
    std::atomic<int> allocations = 0;
    std::array<char, 64> buffer;
    std::optional<error_code> error;
    bool on_strand = false;
    auto const start = [&] {
        auto handler = [&](error_code ec, std::size_t) {
            error = ec;
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
    while (!error && context.run_one_for(60s)) {}
    REQUIRE(error); // the child has written "ready"
    CHECK_FALSE(error->failed());
    CHECK(on_strand);
    CHECK(allocations > 0);

    error.reset();
    start();
    cancel.emit(asio::cancellation_type::total);
    while (!error && context.run_one_for(60s)) {}
    REQUIRE(error);
    CHECK(*error == asio::error::operation_aborted);
}

TEST_CASE("terminal: async_wait_drained ends the reading of a terminal that a daemon holds open")
{
    for_each(terminal_configs(), [](backend_config const& config) {
        asio::io_context context;
        auto child = brood::spawn(context, on_terminal(config, "daemon")).value();
        std::string text;
        std::optional<error_code> read_end, error;
        asio::async_read(
            child.terminal(), asio::dynamic_buffer(text), [&](error_code ec, std::size_t) { read_end = ec; });
        while (text.find('\n') == text.npos && context.run_one_for(60s) > 0) {}
        kill_guard const daemon{std::atoi(text.c_str())};
        child.async_wait_drained(30ms, [&](error_code ec, exit_status) { error = ec; });
        context.run_for(60s);
        CHECK(is_alive(daemon.pid));
        CHECK(read_end == asio::error::operation_aborted);
        CHECK(error == errc::output_incomplete);
        CHECK(child.terminal().is_open());
    });
}

TEST_CASE("terminal: async_wait_drained completes without error when nothing holds the terminal open, read or not")
{
    for_each(terminal_configs(), [](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = brood::spawn(ex, on_terminal(config, "write", "1", "text")).value();
        CHECK((co_await child.async_wait_drained(1h)).success());
        CHECK(co_await read_all(child.terminal()) == "text");
    });
}

TEST_CASE("terminal: writing ^C interrupts the child")
{
    for_each(terminal_configs(), [](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = brood::spawn(ex, on_terminal(config, "pause")).value();
        CHECK(co_await read_line(child.terminal()) == "ready\r");
        co_await asio::async_write(child.terminal(), asio::buffer("\x03", 1), asio::use_awaitable);
        CHECK((co_await child.async_wait()).signal() == SIGINT);
    });
}

TEST_CASE("terminal: closing the terminal sends SIGHUP to the child")
{
    for_each(terminal_configs(), [](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = brood::spawn(ex, on_terminal(config, "pause")).value();
        co_await read_line(child.terminal());
        child.terminal().close();
        CHECK((co_await child.async_wait()).signal() == SIGHUP);
    });
}

TEST_CASE("terminal: the terminal of a child without one is closed")
{
    asio::io_context context;
    auto child = brood::spawn(context, probe(all_configs().front(), "exit", "0")).value();
    CHECK_FALSE(child.terminal().is_open());
    CHECK(child.resize_terminal({1, 1}).error() == std::errc::bad_file_descriptor);
}

TEST_CASE("terminal: a child keeps its terminal when it is moved or changes its executor")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        asio::io_context context;
        run_on(context, [](asio::io_context& loop, command cmd) -> asio::awaitable<void> {
            auto concrete = brood::spawn(loop.get_executor(), cmd).value();
            brood::child child(std::move(concrete));
            brood::child moved(std::move(child));
            CHECK_FALSE(child.terminal().is_open());
            auto const refused = child.resize_terminal({1, 1});
            CHECK(refused.error() == std::errc::bad_file_descriptor);
            CHECK(stage_of(refused.error()) == spawn_stage::terminal);
            CHECK(co_await read_all(moved.terminal()) == "yes yes yes 24x80");
            CHECK((co_await moved.async_wait()).success());
        }(context, on_terminal(config, "terminal")));
    });
}

TEST_SUITE_END();
