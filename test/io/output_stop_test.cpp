// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_output.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <memory>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

std::string const term = std::to_string(SIGTERM);

output_options stopped_by(stop_plan plan)
{
    output_options options;
    options.stop = std::move(plan);
    return options;
}

} // namespace

TEST_SUITE_BEGIN("output, stopped");

TEST_CASE("a timeout stops the child, and keeps what came")
{
    for (auto const& w : all_ways())
        for (duration timeout : {duration(-1h), duration(0s), duration(20ms)}) {
            CAPTURE(w);
            leaves_nothing guard;
            // SIGTERM is let in when all is written, so that the text does not depend on the time.
            auto cmd = probe(w, "write-then-obey", "500000");
            auto options = stopped_by(stop_plan(SIGTERM, 1h));
            options.timeout = timeout;
            running_output op(cmd.signal_mask({SIGTERM}), options);
            op.finish();
            CHECK(op.error == errc::timed_out);
            CHECK(op.error == std::errc::timed_out);
            CHECK(op.told.status.signal() == SIGTERM);
            CHECK(op.told.out.size() == 500'000);
            CHECK_FALSE(op.told.truncated);
        }
}

TEST_CASE("a timeout that is not reached changes nothing")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        output_options options;
        options.timeout = duration::max();
        running_output op(probe(w, "write", "1", "text"), options);
        CHECK_FALSE(op.finish().error.failed());
        CHECK(op.told.out == "text");
    }
}

TEST_CASE("a cancelled child that honours SIGTERM is waited for no longer than it takes")
{
    for (auto const& w : all_ways())
        for (auto type :
             {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
            CAPTURE(w);
            leaves_nothing guard;
            side_channel side;
            auto cmd = probe(w, "--to=3", "pause");
            running_output op(cmd.fd(3, side.child_end()), stopped_by(stop_plan(SIGTERM, 1h)));
            CHECK(side.line() == "ready");
            op.cancel(type);
            op.finish();
            CHECK(op.error == asio::error::operation_aborted);
            CHECK(op.told.status.signal() == SIGTERM);
        }
}

TEST_CASE("a cancelled child that ignores SIGTERM is killed after the grace, and what it wrote is kept")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        side_channel side;
        auto cmd = probe(w, "--to=3", "ignore", term);
        running_output op(cmd.fd(3, side.child_end()), stopped_by(stop_plan(SIGTERM, 1ms)));
        CHECK(side.line() == "ready");
        op.cancel();
        op.finish();
        CHECK(op.error == asio::error::operation_aborted);
        CHECK(op.told.status.signal() == SIGKILL);
    }
}

TEST_CASE("within the grace it is not killed")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto input = os::make_pipe().value();
        side_channel side;
        auto cmd = probe(w, "--to=3", "tell-signals", "0", term);
        cmd.in(stdio::fd(input.first.get())).fd(3, side.child_end());
        running_output op(cmd, stopped_by(stop_plan(SIGTERM, 1h)));
        CHECK(side.line() == "ready");
        op.cancel();
        CHECK(side.line(op.context) == term);
        op.context.poll();
        CHECK_FALSE(op.done);
        input.second.reset(); // it goes of its own accord
        op.finish();
        CHECK(op.error == asio::error::operation_aborted);
        CHECK(op.told.status.code() == 8);
    }
}

TEST_CASE("a second cancellation kills at once, and keeps what came")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        side_channel side;
        auto cmd = probe(w, "--to=3", "tell-signals", "0", term);
        auto input = os::make_pipe().value();
        cmd.in(stdio::fd(input.first.get())).fd(3, side.child_end());
        running_output op(cmd, stopped_by(stop_plan(SIGTERM, 1h)));
        CHECK(side.line() == "ready");
        op.cancel();
        CHECK(side.line(op.context) == term);
        op.cancel();
        op.finish();
        CHECK(op.error == asio::error::operation_aborted);
        CHECK(op.told.status.signal() == SIGKILL);
    }
}

TEST_CASE("cancelling after the child's end gives up the streams alone")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        output_options options;
        options.drain_grace = 1h;
        running_output op(probe(w, "grandchild"), options);
        REQUIRE(eventually(has_children));
        REQUIRE(eventually([&] {
            op.context.poll();
            return !has_children();
        }));
        op.context.poll();
        CHECK_FALSE(op.done);
        op.cancel();
        op.finish();
        CHECK(op.error == asio::error::operation_aborted);
        CHECK(op.told.status.success());
        pid_t const grandchild = std::atoi(op.told.out.c_str());
        REQUIRE(grandchild > 1);
        ::kill(grandchild, SIGKILL);
    }
}

TEST_CASE("a stop plan's steps are taken in order")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        side_channel side;
        auto cmd = probe(w, "--to=3", "tell-signals", term, std::to_string(SIGINT), std::to_string(SIGQUIT), term);
        auto input = os::make_pipe().value();
        cmd.in(stdio::fd(input.first.get())).fd(3, side.child_end());
        running_output op(cmd, stopped_by(stop_plan(SIGINT, 1ms).then(SIGQUIT, 1ms).then(SIGTERM, 1h)));
        CHECK(side.line() == "ready");
        op.cancel();
        op.finish();
        CHECK(op.told.status.code() == 7);
        CHECK(side.line() == std::to_string(SIGINT));
        CHECK(side.line() == std::to_string(SIGQUIT));
        CHECK(side.line() == term);
    }
}

TEST_CASE("an empty stop plan kills")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        auto options = stopped_by(stop_plan(std::vector<stop_step>()));
        options.timeout = 0s;
        running_output op(probe(w, "pause"), options);
        CHECK(op.finish().told.status.signal() == SIGKILL);
    }
}

TEST_CASE("a child may clean up after itself when it is told to end")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        side_channel side;
        auto cmd = probe(w, "--to=3", "clean-up");
        running_output op(cmd.fd(3, side.child_end()), stopped_by(stop_plan(SIGTERM, 1h)));
        pid_t const grandchild = std::atoi(side.line().c_str());
        REQUIRE(grandchild > 1);
        op.cancel();
        op.finish();
        CHECK(op.told.status.success());
        CHECK(side.line() == "cleaned up");
        CHECK_FALSE(is_alive(grandchild));
    }
}

TEST_CASE("stopping a child with a group of its own reaches its children")
{
    for (auto const& w : all_ways())
        for (bool twice : {false, true}) {
            CAPTURE(w);
            CAPTURE(twice);
            leaves_nothing guard;
            side_channel side;
            auto cmd = probe(w, "--to=3", "family");
            cmd.process_group().fd(3, side.child_end());
            auto options = stopped_by(twice ? stop_plan(SIGCONT, 1h) : stop_plan(SIGTERM, 1h));
            options.drain_grace = 1h; // the grandchild's end ends the streams
            running_output op(cmd, options);
            pid_t const grandchild = std::atoi(side.line().c_str());
            REQUIRE(grandchild > 1);
            op.cancel();
            if (twice)
                op.cancel();
            op.finish();
            CHECK(op.told.status.signal() == (twice ? SIGKILL : SIGTERM));
            CHECK(eventually([&] { return !is_alive(grandchild); }));
        }
}

TEST_CASE("cancelled as early as possible, it leaves nothing")
{
    auto const ways = all_ways();
    leaves_nothing guard;
    std::string const text(1000, 'x');
    for (std::size_t i = 0; i < 1000; ++i) {
        CAPTURE(i);
        output_options options;
        options.input = asio::buffer(text);
        running_output op(probe(ways[i % ways.size()], "pause"), options);
        op.cancel();
        op.finish();
        CHECK(op.error == asio::error::operation_aborted);
        CHECK(op.told.status.signal() == SIGTERM);
    }
}

TEST_CASE("async_output that loses a race leaves no child behind")
{
    using namespace asio::experimental::awaitable_operators;
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            asio::steady_timer timer(ex, 1ms);
            auto const first = co_await (
                async_output(ex, probe(by, "pause"), asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
            CHECK(first.index() == 1);
            CHECK_FALSE(has_children());
        }(w));
    }
}

TEST_CASE("when an awaitable beside it throws, the child is gone")
{
    using namespace asio::experimental::awaitable_operators;
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const body = [](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto const thrower = [](asio::any_io_executor on) -> asio::awaitable<void> {
                asio::steady_timer timer(on, 1ms);
                co_await timer.async_wait(asio::use_awaitable);
                throw std::runtime_error("trouble");
            };
            co_await (async_output(ex, probe(by, "pause"), asio::use_awaitable) && thrower(ex));
        };
        CHECK_THROWS(run(body(w)));
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("a loop that ends first takes the child with it, and calls nobody")
{
    for (auto const& w : all_ways())
        for (bool polled : {false, true}) {
            CAPTURE(w);
            CAPTURE(polled);
            leaves_nothing guard;
            auto const token = std::make_shared<int>();
            side_channel side;
            {
                asio::io_context context;
                auto cmd = probe(w, "--to=3", "pause");
                output_options options;
                options.timeout = 1h;
                async_output(
                    context, cmd.fd(3, side.child_end()), options, [token](error_code, output) { CHECK(false); });
                CHECK(side.line() == "ready");
                if (polled)
                    context.poll();
            }
            CHECK(token.use_count() == 1);
            CHECK(eventually([] { return !has_children(); }));
        }
}

TEST_CASE("cancelled from another thread, while others run the loop" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::thread_pool pool(3);
        std::atomic<int> aborted = 0;
        std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
        for (int i = 0; i < 20; ++i) {
            signals.push_back(std::make_unique<asio::cancellation_signal>());
            async_output(
                pool, probe(w, "pause"),
                asio::bind_cancellation_slot(signals.back()->slot(), [&](error_code ec, output told) {
                    aborted += ec == asio::error::operation_aborted && told.status.signal() == SIGTERM;
                }));
        }
        for (auto& signal : signals)
            signal->emit(asio::cancellation_type::terminal);
        pool.join();
        CHECK(aborted == 20);
    }
}

TEST_SUITE_END();
