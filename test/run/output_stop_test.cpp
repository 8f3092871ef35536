// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/ordinary_user.hpp"
#include "support/running_operation.hpp"
#include "support/side_channel.hpp"

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

output_options with_plan(stop_plan plan)
{
    output_options options;
    options.stop(std::move(plan));
    return options;
}

} // namespace

TEST_SUITE_BEGIN("output stop");

TEST_CASE("async_output: a timeout stops the child, and the output before it is kept")
{
    for (duration timeout : {duration(-1h), duration(0s), duration(20ms)}) {
        CAPTURE(timeout.count());
        for_each_config([&](backend_config const& config) {
            // The child unblocks SIGTERM after the last write, so that the output does not depend on the time.
            auto cmd = probe(config, "write-then-obey", "500000");
            auto options = with_plan(stop_plan(SIGTERM, 1h));
            options.timeout(timeout);
            running_output op(cmd.signal_mask({SIGTERM}), options);
            op.finish();
            CHECK(op.error == errc::timed_out);
            CHECK(op.error == std::errc::timed_out);
            CHECK(op.result.status.signal() == SIGTERM);
            CHECK(op.result.out.size() == 500'000);
            CHECK_FALSE(op.result.truncated);
        });
    }
}

TEST_CASE("async_output: a timeout that is not reached has no effect")
{
    for_each_config([](backend_config const& config) {
        output_options options;
        options.timeout(duration::max());
        running_output op(probe(config, "write", "1", "text"), options);
        CHECK_FALSE(op.finish().error.failed());
        CHECK(op.result.out == "text");
    });
}

TEST_CASE("async_output: a cancellation completes when the child exits on SIGTERM, before the grace period ends")
{
    for (auto type :
         {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
        CAPTURE(static_cast<unsigned>(type));
        for_each_config([&](backend_config const& config) {
            side_channel side;
            auto cmd = probe(config, "--to=3", "pause");
            running_output op(cmd.fd(3, side.child_end()), with_plan(stop_plan(SIGTERM, 1h)));
            CHECK(side.line() == "ready");
            op.cancel(type);
            op.finish();
            CHECK(op.error == asio::error::operation_aborted);
            CHECK(op.result.status.signal() == SIGTERM);
        });
    }
}

TEST_CASE("async_output: a cancelled child that ignores SIGTERM is killed after the grace period")
{
    for_each_config([](backend_config const& config) {
        side_channel side;
        auto cmd = probe(config, "--to=3", "ignore", term);
        running_output op(cmd.fd(3, side.child_end()), with_plan(stop_plan(SIGTERM, 1ms)));
        CHECK(side.line() == "ready");
        op.cancel();
        op.finish();
        CHECK(op.error == asio::error::operation_aborted);
        CHECK(op.result.status.signal() == SIGKILL);
    });
}

TEST_CASE("async_output: a cancelled child is not killed within the grace period")
{
    for_each_config([](backend_config const& config) {
        auto input = os::make_pipe().value();
        side_channel side;
        auto cmd = probe(config, "--to=3", "print-signals", "0", term);
        cmd.in(stdio::fd(input.first.get())).fd(3, side.child_end());
        running_output op(cmd, with_plan(stop_plan(SIGTERM, 1h)));
        CHECK(side.line() == "ready");
        op.cancel();
        CHECK(side.line(op.context) == term);
        op.context.poll();
        CHECK_FALSE(op.done);
        input.second.reset(); // the child exits at the end of its input
        op.finish();
        CHECK(op.error == asio::error::operation_aborted);
        CHECK(op.result.status.code() == 8);
    });
}

TEST_CASE("async_output: a second cancellation kills the child at once")
{
    for_each_config([](backend_config const& config) {
        side_channel side;
        auto cmd = probe(config, "--to=3", "print-signals", "0", term);
        auto input = os::make_pipe().value();
        cmd.in(stdio::fd(input.first.get())).fd(3, side.child_end());
        running_output op(cmd, with_plan(stop_plan(SIGTERM, 1h)));
        CHECK(side.line() == "ready");
        op.cancel();
        CHECK(side.line(op.context) == term);
        op.cancel();
        op.finish();
        CHECK(op.error == asio::error::operation_aborted);
        CHECK(op.result.status.signal() == SIGKILL);
    });
}

TEST_CASE("async_output: a cancellation after the child's exit closes the streams")
{
    for_each_config([](backend_config const& config) {
        output_options options;
        options.drain_grace(1h);
        running_output op(probe(config, "grandchild"), options);
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
        CHECK(op.result.status.success());
        pid_t const grandchild = std::atoi(op.result.out.c_str());
        REQUIRE(grandchild > 1);
        ::kill(grandchild, SIGKILL);
    });
}

TEST_CASE("async_output: the steps of a stop plan are executed in order")
{
    for_each_config([](backend_config const& config) {
        side_channel side;
        auto cmd =
            probe(config, "--to=3", "print-signals", term, std::to_string(SIGINT), std::to_string(SIGQUIT), term);
        auto input = os::make_pipe().value();
        cmd.in(stdio::fd(input.first.get())).fd(3, side.child_end());
        running_output op(cmd, with_plan(stop_plan(SIGINT, 1ms).then(SIGQUIT, 1ms).then(SIGTERM, 1h)));
        CHECK(side.line() == "ready");
        op.cancel();
        op.finish();
        CHECK(op.result.status.code() == 7);
        CHECK(side.line() == std::to_string(SIGINT));
        CHECK(side.line() == std::to_string(SIGQUIT));
        CHECK(side.line() == term);
    });
}

TEST_CASE("async_output: an empty stop plan kills the child")
{
    for_each_config([](backend_config const& config) {
        auto options = with_plan(stop_plan(std::vector<stop_step>()));
        options.timeout(0s);
        running_output op(probe(config, "pause"), options);
        CHECK(op.finish().result.status.signal() == SIGKILL);
    });
}

TEST_CASE("async_output: a child that handles SIGTERM can stop its own child and exit with success")
{
    for_each_config([](backend_config const& config) {
        side_channel side;
        auto cmd = probe(config, "--to=3", "clean-up");
        running_output op(cmd.fd(3, side.child_end()), with_plan(stop_plan(SIGTERM, 1h)));
        pid_t const grandchild = std::atoi(side.line().c_str());
        REQUIRE(grandchild > 1);
        op.cancel();
        op.finish();
        CHECK(op.result.status.success());
        CHECK(side.line() == "cleaned up");
        CHECK_FALSE(is_alive(grandchild));
    });
}

TEST_CASE("async_output: a stop and a kill reach the process group that the child leads")
{
    for (bool twice : {false, true}) {
        CAPTURE(twice);
        for_each_config([&](backend_config const& config) {
            side_channel side;
            auto cmd = probe(config, "--to=3", "family");
            cmd.process_group().fd(3, side.child_end());
            auto options = with_plan(twice ? stop_plan(SIGCONT, 1h) : stop_plan(SIGTERM, 1h));
            options.drain_grace(1h); // the streams end with the grandchild
            running_output op(cmd, options);
            pid_t const grandchild = std::atoi(side.line().c_str());
            REQUIRE(grandchild > 1);
            op.cancel();
            if (twice)
                op.cancel();
            op.finish();
            CHECK(op.result.status.signal() == (twice ? SIGKILL : SIGTERM));
            CHECK(eventually([&] { return !is_alive(grandchild); }));
        });
    }
}

TEST_CASE("async_output: a cancellation right after the initiation leaves no child and no descriptor")
{
    // The configurations take turns, so that the number of operations does not depend on the machine.
    auto const configs = all_configs();
    leak_check const leaks;
    std::string const text(1000, 'x');
    for (std::size_t i = 0; i < 1000; ++i) {
        auto const& config = configs[i % configs.size()];
        CAPTURE(config);
        CAPTURE(i);
        output_options options;
        options.input(asio::buffer(text));
        running_output op(probe(config, "pause"), options);
        op.cancel();
        op.finish();
        CHECK(op.error == asio::error::operation_aborted);
        CHECK(op.result.status.signal() == SIGTERM);
    }
}

TEST_CASE("async_output: leaves no child if another operation of operator|| completes first")
{
    using namespace asio::experimental::awaitable_operators;
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        asio::steady_timer timer(ex, 1ms);
        auto const first = co_await (
            async_output(ex, probe(config, "pause"), asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
        CHECK(first.index() == 1);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("async_output: leaves no child if another operation of operator&& throws")
{
    using namespace asio::experimental::awaitable_operators;
    for_each_config([](backend_config const& config) {
        auto const body = [&]() -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto const throw_later = [](asio::any_io_executor executor) -> asio::awaitable<void> {
                asio::steady_timer timer(executor, 1ms);
                co_await timer.async_wait(asio::use_awaitable);
                throw std::runtime_error("trouble");
            };
            co_await (async_output(ex, probe(config, "pause"), asio::use_awaitable) && throw_later(ex));
        };
        CHECK_THROWS(run(body()));
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("async_output: a destroyed context kills the child and invokes no handler")
{
    for (bool polled : {false, true}) {
        CAPTURE(polled);
        for_each_config([&](backend_config const& config) {
            auto const handler_data = std::make_shared<int>();
            side_channel side;
            {
                asio::io_context context;
                auto cmd = probe(config, "--to=3", "pause");
                output_options options;
                options.timeout(1h);
                async_output(context, cmd.fd(3, side.child_end()), options, [handler_data](error_code, output) {
                    CHECK(false);
                });
                CHECK(side.line() == "ready");
                if (polled)
                    context.poll();
            }
            CHECK(handler_data.use_count() == 1);
            CHECK(eventually([] { return !has_children(); }));
        });
    }
}

TEST_CASE("async_output: may be cancelled from a thread that does not run the context" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        asio::thread_pool pool(3);
        std::atomic<int> aborted = 0;
        std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
        for (int i = 0; i < 20; ++i) {
            signals.push_back(std::make_unique<asio::cancellation_signal>());
            async_output(
                pool, probe(config, "pause"), output_options().stop(stop_plan(SIGTERM, 1h)),
                asio::bind_cancellation_slot(signals.back()->slot(), [&](error_code ec, output result) {
                    aborted += ec == asio::error::operation_aborted && result.status.signal() == SIGTERM;
                }));
        }
        for (auto& signal : signals)
            signal->emit(asio::cancellation_type::terminal);
        pool.join();
        CHECK(aborted == 20);
    });
}

TEST_CASE("async_output: a child that may not be signalled ends the operation, and is reaped when it ends")
{
    public_folder const folder;
    if (!folder.set_user_id()) {
        MESSAGE("skipped: no set-user-ID program can be installed");
        return;
    }
    ordinary_user const user;
    for (bool stop : {false, true}) {
        CAPTURE(stop);
        for_each_config([&](backend_config const& config) {
            auto input = os::make_pipe().value();
            side_channel side;
            auto cmd = folder.probe(config, "--to=3", "become-root");
            cmd.in(stdio::fd(input.first.get())).fd(3, side.child_end());
            asio::io_context context;
            asio::cancellation_signal cancel;
            std::optional<error_code> error;
            auto options = with_plan(stop ? stop_plan(SIGTERM, 1h) : stop_plan(std::vector<stop_step>()));
            async_output(context, cmd, options, asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, output) {
                             error = ec;
                         }));
            if (side.line(context) != "ready") {
                MESSAGE("skipped: the file system or a filter denies set-user-ID programs");
                return;
            }
            cancel.emit(asio::cancellation_type::terminal);
            context.restart();
            context.run_for(60s);
            CHECK(error == std::errc::operation_not_permitted);
            CHECK(has_children());
            input.second.reset();
        });
    }
}

TEST_CASE("child.async_output: a child that may not be signalled does not end other waits")
{
    public_folder const folder;
    if (!folder.set_user_id()) {
        MESSAGE("skipped: no set-user-ID program can be installed");
        return;
    }
    ordinary_user const user;
    for_each_config([&](backend_config const& config) {
        auto input = os::make_pipe().value();
        asio::io_context context;
        auto cmd = folder.probe(config, "become-root");
        auto child = spawn(context, cmd.in(stdio::fd(input.first.get())).out(stdio::piped())).value();
        std::string line;
        error_code ignored;
        asio::read_until(child.out(), asio::dynamic_buffer(line), '\n', ignored);
        if (line != "ready\n") {
            MESSAGE("skipped: the file system or a filter denies set-user-ID programs");
            return;
        }
        std::optional<error_code> waited, stopped;
        std::optional<exit_status> status;
        child.async_wait([&](error_code error, exit_status ended) {
            waited = error;
            status = ended;
        });
        auto const options = output_options().timeout(1ms).stop(stop_plan(std::vector<stop_step>()));
        child.async_output(options, [&](error_code error, output) {
            stopped = error;
            CHECK_FALSE(waited);
            input.second.reset(); // the child ends
        });
        context.run_for(60s);
        CHECK(stopped == std::errc::operation_not_permitted);
        CHECK(waited == error_code());
        CHECK(status);
    });
}

TEST_SUITE_END();
