// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_output.hpp"
#include "support/test_group.hpp"

#include <memory>

using namespace brood;
using namespace test;

namespace {

error_code const aborted = asio::error::operation_aborted;

/// One that takes no notice of the stop plan, and has told so.
command stubborn(way const& w, side_channel const& side)
{
    return probe(w, "--to=3", "ignore", std::to_string(SIGTERM)).fd(3, side.child_end());
}

} // namespace

TEST_SUITE_BEGIN("child group, stopped");

TEST_CASE("a spawn that is cancelled while it waits never starts")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(1));
        test.spawn(pausing(w));
        test.until([&] { return test.members.size() == 1; });
        test.spawn(pausing(w));
        test.spawn_cancel.emit(asio::cancellation_type::total);
        test.until([&] { return test.members.size() == 2; });
        CHECK(test.spawned[1] == aborted);
        test.spawn(quiet(probe(w, "exit", "0")));
        test.wait_all();
        ::kill(test.members.front().id, SIGKILL);
        test.finish();
        CHECK(test.members.back().index == 1);
    }
}

TEST_CASE("a cancelled async_wait_all stops all, and completes when all are reaped")
{
    for (auto const& w : all_ways())
        for (auto type :
             {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
            CAPTURE(w);
            leaves_nothing guard;
            test_group test(limited(3));
            for (int i = 0; i < 5; ++i)
                test.spawn(pausing(w));
            test.wait_all();
            test.until([&] { return test.members.size() == 3; });
            test.cancel.emit(type);
            CHECK_FALSE(test.all_ended);
            test.finish();
            CHECK(test.all_ended == aborted);
            CHECK(test.spawned[4] == aborted);
        }
}

TEST_CASE("a second cancellation kills at once")
{
    for (auto const& w : all_ways())
        for (bool by_stop : {false, true}) {
            CAPTURE(w);
            leaves_nothing guard;
            side_channel side;
            test_group test(limited(3));
            test.spawn(stubborn(w, side));
            CHECK(side.line() == "ready");
            if (by_stop)
                test.group->async_stop(
                    asio::bind_cancellation_slot(test.cancel.slot(), [&](error_code ec) { test.all_ended = ec; }));
            else {
                test.wait_all();
                test.cancel.emit(asio::cancellation_type::terminal);
            }
            test.context.poll();
            CHECK_FALSE(test.all_ended); // it ignores the plan's first signal
            test.cancel.emit(asio::cancellation_type::terminal);
            test.next();
            test.finish();
            CHECK(test.all_ended == aborted);
            REQUIRE(test.results.size() == 1);
            CHECK(test.results[0].status.signal() == SIGKILL);
        }
}

TEST_CASE("async_stop completes when all are reaped")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            child_group group(ex);
            for (int i = 0; i < 4; ++i)
                co_await group.async_spawn(pausing(by));
            co_await group.async_stop();
            CHECK_FALSE(has_children());
            for (int i = 0; i < 4; ++i)
                CHECK((co_await group.async_next()).status.signal() == SIGTERM);
            auto const none = co_await group.async_next(as_result);
            CHECK(none.error() == asio::error::eof);
            co_await group.async_wait_all();
        }(w));
    }
}

TEST_CASE("a scope that is left takes its children with it, and tells who waited")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(2));
        for (int i = 0; i < 3; ++i)
            test.spawn(pausing(w));
        test.wait_all();
        test.next();
        test.until([&] { return test.members.size() == 2; });
        test.group.reset();
        CHECK_FALSE(test.all_ended);
        test.finish();
        CHECK(test.all_ended == aborted);
        CHECK(test.spawned[2] == aborted);
        REQUIRE(test.told.size() == 1);
        CHECK(test.told[0] == aborted);
    }
}

TEST_CASE("the event loop may go first: pending operations are destroyed uninvoked")
{
    for (auto const& w : all_ways())
        for (bool polled : {false, true}) {
            CAPTURE(w);
            leaves_nothing guard;
            auto const alive = std::make_shared<int>();
            auto context = std::make_unique<asio::io_context>();
            auto group = std::make_unique<child_group>(*context, limited(1));
            auto const never = [alive](auto&&...) { CHECK(false); };
            REQUIRE(group->spawn(pausing(w)));
            group->async_spawn(pausing(w), never);
            group->async_next(never);
            group->async_wait_all(never);
            group->async_stop([alive](error_code) { CHECK(false); });
            if (polled)
                group->async_next([alive](error_code, group_result) {});
            context.reset();
            CHECK(alive.use_count() == 2); // `never` itself
            group.reset();
            CHECK(eventually([] { return !has_children(); }));
        }
}

TEST_CASE("a coroutine that goes with its loop takes its group along")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        {
            asio::io_context context;
            asio::co_spawn(
                context,
                [](way by) -> asio::awaitable<void> {
                    auto const ex = co_await asio::this_coro::executor;
                    child_group group(ex, limited(1));
                    co_await group.async_spawn(pausing(by));
                    co_await group.async_spawn(pausing(by));
                }(w),
                [](std::exception_ptr) { CHECK(false); });
            CHECK(eventually([&] {
                context.poll();
                return has_children();
            }));
        }
        CHECK(eventually([] { return !has_children(); }));
    }
}

TEST_SUITE_END();
