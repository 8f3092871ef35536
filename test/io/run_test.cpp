// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>

#include <signal.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("run");

TEST_CASE("async_run gives the status, and leaves no child")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            CHECK((co_await async_run(ex, probe(by, "exit", "0"))).success());
            CHECK((co_await async_run(ex, probe(by, "exit", "21"))).code() == 21);
            CHECK_FALSE(has_children());
        }(w));
    }
}

TEST_CASE("async_run tells why there was no child")
{
    run([]() -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const missing = co_await async_run(ex, command("/nowhere"), as_result);
        CHECK(stage_of(missing.error()) == spawn_stage::exec);
        auto const piped = co_await async_run(ex, command("true").out(stdio::piped()), as_result);
        CHECK(piped.error() == std::errc::invalid_argument);
    }());
}

TEST_CASE("a cancelled async_run stops its child, and completes after its end")
{
    for (auto const& w : all_ways())
        for (auto type :
             {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
            CAPTURE(w);
            asio::io_context context;
            asio::cancellation_signal cancel;
            std::optional<error_code> told;
            exit_status status;
            auto cmd = probe(w, "pause");
            async_run(
                context, cmd.out(stdio::null()),
                asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, exit_status s) {
                    told = ec;
                    status = s;
                    CHECK_FALSE(has_children());
                }));
            context.poll();
            cancel.emit(type);
            CHECK_FALSE(told);
            context.run_for(60s);
            CHECK(told == error_code(asio::error::operation_aborted));
            CHECK(status.signal() == SIGTERM);
        }
}

TEST_CASE("a second cancellation kills at once")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        scratch_folder folder;
        auto cmd = probe(w, "ignore", std::to_string(SIGTERM));
        cmd.out(stdio::file(folder.path("told"), open_mode::write));
        asio::io_context context;
        asio::cancellation_signal cancel;
        std::optional<int> signal;
        async_run(context, cmd, asio::bind_cancellation_slot(cancel.slot(), [&](error_code, exit_status s) {
                      signal = s.signal();
                  }));
        REQUIRE(eventually([&] { return folder.read("told") == "ready\n"; }));
        cancel.emit(asio::cancellation_type::terminal);
        context.poll();
        CHECK_FALSE(signal); // it ignores the first one
        cancel.emit(asio::cancellation_type::terminal);
        context.run_for(60s);
        CHECK(signal == SIGKILL);
    }
}

TEST_CASE("async_run that loses a race leaves no child behind")
{
    using namespace asio::experimental::awaitable_operators;
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            asio::steady_timer timer(ex, 1ms);
            auto cmd = probe(by, "pause");
            cmd.out(stdio::null());
            auto const first =
                co_await (async_run(ex, cmd, asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
            CHECK(first.index() == 1);
            CHECK_FALSE(has_children());
        }(w));
    }
}

TEST_SUITE_END();
