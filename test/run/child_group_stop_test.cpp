// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_group.hpp"
#include "support/side_channel.hpp"

#include <memory>

using namespace brood;
using namespace test;

namespace {

error_code const aborted = asio::error::operation_aborted;

/// A child that ignores the first signal of the stop plan. Reports on `side` when it does.
command ignoring_sigterm(backend_config const& config, side_channel const& side)
{
    return probe(config, "--to=3", "ignore", std::to_string(SIGTERM)).fd(3, side.child_end());
}

} // namespace

TEST_SUITE_BEGIN("child group stop");

TEST_CASE("child_group: a spawn that is cancelled in the queue never starts")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        test.spawn(pausing(config));
        test.run_until([&] { return test.children.size() == 1; });
        test.spawn(pausing(config));
        test.cancel_spawn.emit(asio::cancellation_type::total);
        test.run_until([&] { return test.children.size() == 2; });
        CHECK(test.spawn_errors[1] == aborted);
        test.spawn(quiet(probe(config, "exit", "0")));
        test.wait_all();
        ::kill(test.children.front().id, SIGKILL);
        test.finish();
        CHECK(test.children.back().index == 2);
    });
}

TEST_CASE("child_group: cancelling async_wait_all stops all children and completes when they are reaped")
{
    for (auto type :
         {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
        CAPTURE(static_cast<unsigned>(type));
        for_each_config([&](backend_config const& config) {
            running_group test(at_most(3));
            for (int i = 0; i < 5; ++i)
                test.spawn(pausing(config));
            test.wait_all();
            test.run_until([&] { return test.children.size() == 3; });
            test.cancel_wait.emit(type);
            CHECK_FALSE(test.wait_error);
            test.finish();
            CHECK(test.wait_error == aborted);
            CHECK(test.spawn_errors[4] == aborted);
        });
    }
}

TEST_CASE("child_group: a second cancellation kills the children at once")
{
    for (bool use_async_stop : {false, true}) {
        CAPTURE(use_async_stop);
        for_each_config([&](backend_config const& config) {
            side_channel side;
            running_group test(at_most(3));
            test.spawn(ignoring_sigterm(config, side));
            CHECK(side.line() == "ready");
            if (use_async_stop)
                test.group->async_stop(asio::bind_cancellation_slot(
                    test.cancel_wait.slot(), [&](error_code ec) { test.wait_error = ec; }));
            else {
                test.wait_all();
                test.cancel_wait.emit(asio::cancellation_type::terminal);
            }
            test.context.poll();
            CHECK_FALSE(test.wait_error);
            test.cancel_wait.emit(asio::cancellation_type::terminal);
            test.next();
            test.finish();
            CHECK(test.wait_error == aborted);
            REQUIRE(test.results.size() == 1);
            CHECK(test.results[0].status.signal() == SIGKILL);
        });
    }
}

TEST_CASE("child_group: async_stop completes when all children are reaped")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        child_group group(ex);
        for (int i = 0; i < 4; ++i)
            co_await group.async_spawn(pausing(config));
        co_await group.async_stop();
        CHECK_FALSE(has_children());
        for (int i = 0; i < 4; ++i)
            CHECK((co_await group.async_next()).status.signal() == SIGTERM);
        auto const none = co_await group.async_next(as_result);
        CHECK(none.error() == asio::error::eof);
        co_await group.async_wait_all();
    });
}

TEST_CASE("child_group: the destructor kills the children and completes pending operations with operation_aborted")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(2));
        for (int i = 0; i < 3; ++i)
            test.spawn(pausing(config));
        test.wait_all();
        test.next();
        test.run_until([&] { return test.children.size() == 2; });
        test.group.reset();
        CHECK_FALSE(test.wait_error);
        test.finish();
        CHECK(test.wait_error == aborted);
        CHECK(test.spawn_errors[2] == aborted);
        REQUIRE(test.next_errors.size() == 1);
        CHECK(test.next_errors[0] == aborted);
    });
}

TEST_CASE("child_group: if the context is destroyed first, handlers are destroyed without a call")
{
    for (bool polled : {false, true}) {
        CAPTURE(polled);
        for_each_config([&](backend_config const& config) {
            auto const handler_data = std::make_shared<int>();
            auto context = std::make_unique<asio::io_context>();
            auto group = std::make_unique<child_group>(*context, at_most(1));
            auto const never_called = [handler_data](auto&&...) { CHECK(false); };
            REQUIRE(group->spawn(pausing(config)));
            group->async_spawn(pausing(config), never_called);
            group->async_next(never_called);
            group->async_wait_all(never_called);
            group->async_stop([handler_data](error_code) { CHECK(false); });
            if (polled)
                group->async_next([handler_data](error_code, group_result) {});
            context.reset();
            CHECK(handler_data.use_count() == 2); // handler_data and never_called
            group.reset();
            CHECK(eventually([] { return !has_children(); }));
        });
    }
}

TEST_CASE("child_group: destroying the context destroys a coroutine that owns a group")
{
    for_each_config([](backend_config const& config) {
        {
            asio::io_context context;
            // The frame is destroyed with the context, thus it holds its own copy of the configuration.
            asio::co_spawn(
                context,
                [](backend_config own) -> asio::awaitable<void> {
                    auto const ex = co_await asio::this_coro::executor;
                    child_group group(ex, at_most(1));
                    co_await group.async_spawn(pausing(own));
                    co_await group.async_spawn(pausing(own));
                }(config),
                [](std::exception_ptr) { CHECK(false); });
            CHECK(eventually([&] {
                context.poll();
                return has_children();
            }));
        }
        CHECK(eventually([] { return !has_children(); }));
    });
}

TEST_SUITE_END();
