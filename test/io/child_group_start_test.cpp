// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/start_gate.hpp"
#include "support/test_group.hpp"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <memory>
#include <vector>

using namespace brood;
using namespace test;

namespace {

error_code const aborted = asio::error::operation_aborted;
way const by_fork{spawn_backend::fork, exit_reaper::automatic};

/// A group whose first child is being started, and held.
struct held_group : test_group {
    explicit held_group(group_options options) : test_group(std::move(options))
    {
        spawn(gate.hold(pausing(by_fork)));
        REQUIRE(eventually(has_children));
        poll();
        CHECK_FALSE(spawned[0]);
        CHECK(group->running() == 1);
    }

    void poll()
    {
        context.restart();
        context.poll();
    }

    start_gate gate;
};

} // namespace

TEST_SUITE_BEGIN("child group, starting");

TEST_CASE("the event loop goes on while a child sets itself up, and the limit holds" * needs_threads())
{
    leaves_nothing guard;
    held_group test(limited(1));
    test.spawn(pausing(by_fork));
    CHECK(test.group->spawn(pausing(by_fork)).error() == std::errc::resource_unavailable_try_again);
    test.poll();
    CHECK(test.group->running() == 1);
    test.gate.open();
    test.until([&] { return test.members.size() == 1; });
    CHECK(test.group->running() == 1);
    CHECK(test.members[0].index == 0);
    ::kill(test.members[0].id, SIGKILL);
    test.until([&] { return test.members.size() == 2; });
    CHECK(test.members[1].index == 1);
    ::kill(test.members[1].id, SIGKILL);
    test.finish();
}

TEST_CASE("while one is started the next one waits, unless it must not" * needs_threads())
{
    leaves_nothing guard;
    held_group test(limited(3));
    test.spawn(pausing(by_fork));
    CHECK(test.group->running() == 1);
    auto const at_once = test.group->spawn(pausing(by_fork));
    REQUIRE(at_once);
    CHECK(at_once.value().index == 0);
    CHECK(test.group->running() == 2);
    CHECK(test.group->spawn(pausing(by_fork)).error() == std::errc::resource_unavailable_try_again); // two come first
    test.gate.open();
    test.until([&] { return test.members.size() == 2; });
    CHECK(test.members[0].index == 1);
    CHECK(test.members[1].index == 2);
    CHECK(test.group->running() == 3);
    test.group.reset();
    test.finish();
}

TEST_CASE("a group that is stopped stops the child that is started once its program runs" * needs_threads())
{
    leaves_nothing guard;
    held_group test(limited(1));
    test.spawn(pausing(by_fork));
    test.wait_all();
    test.cancel.emit(asio::cancellation_type::terminal);
    test.poll();
    CHECK(test.spawned[1] == aborted);
    CHECK_FALSE(test.spawned[0]);
    CHECK_FALSE(test.all_ended);
    test.gate.open();
    test.next();
    test.finish();
    CHECK(test.all_ended == aborted);
    CHECK(test.spawned[0] == error_code());
    REQUIRE(test.results.size() == 1);
    CHECK(test.results[0].status.signal() == SIGTERM);
}

TEST_CASE("a scope that is left kills the child that is started" * needs_threads())
{
    leaves_nothing guard;
    held_group test(limited(1));
    test.spawn(pausing(by_fork));
    test.wait_all();
    test.group.reset();
    test.poll();
    CHECK(test.spawned[0] == aborted);
    CHECK(test.spawned[1] == aborted);
    CHECK_FALSE(test.all_ended);
    test.gate.open();
    test.finish();
    CHECK(test.all_ended == aborted);
}

TEST_CASE("a spawn that is cancelled while it is started is no child, and makes room for the next" * needs_threads())
{
    leaves_nothing guard;
    held_group test(limited(1, failure_policy::stop_rest));
    test.spawn_cancel.emit(asio::cancellation_type::total);
    test.poll();
    CHECK_FALSE(test.spawned[0]); // not before its end
    test.spawn(quiet(probe(by_fork, "exit", "0")));
    test.gate.open();
    test.next();
    test.next();
    test.finish();
    CHECK(test.spawned[0] == aborted);
    CHECK(test.spawned[1] == error_code());
    REQUIRE(test.results.size() == 2);
    CHECK(test.results[0].index == 0);
    CHECK(test.results[0].status.success());
    CHECK(test.told[1] == asio::error::eof);
}

TEST_CASE("cancelled at once, a spawn leaves nothing")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(1));
        test.spawn(quiet(probe(w, "ignore", std::to_string(SIGTERM))));
        test.spawn_cancel.emit(asio::cancellation_type::partial);
        test.next();
        test.finish();
        CHECK(test.spawned[0] == aborted);
        REQUIRE(test.told.size() == 1);
        CHECK(test.told[0] == asio::error::eof);
        CHECK(test.group->running() == 0);
    }
}

TEST_CASE("a failed start is told by its spawn alone, and the next one comes")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(2));
        test.spawn(pausing(w).current_dir("/nowhere"));
        test.spawn(quiet(probe(w, "exit", "4")));
        test.next();
        test.next();
        test.finish();
        CHECK(stage_of(test.spawned[0].value()) == spawn_stage::directory);
        CHECK(test.spawned[1] == error_code());
        REQUIRE(test.results.size() == 2);
        CHECK(test.results[0].index == 0);
        CHECK(test.results[0].status.code() == 4);
        CHECK(test.told[1] == asio::error::eof);
    }
}

TEST_CASE("a loop that goes first takes the child along that is started, and calls nobody")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const alive = std::make_shared<int>();
        auto context = std::make_unique<asio::io_context>();
        child_group group(*context, limited(2));
        for (int i = 0; i < 3; ++i)
            group.async_spawn(pausing(w), [alive](error_code, group_child) { CHECK(false); });
        group.async_next([alive](error_code, group_result) { CHECK(false); });
        group.async_wait_all([alive](error_code) { CHECK(false); });
        context.reset();
        CHECK(alive.use_count() == 1);
        CHECK(eventually([] { return !has_children(); }));
    }
}

TEST_CASE("a group may be left while threads start its children" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::thread_pool pool(3);
        std::atomic<int> told = 0;
        for (int i = 0; i < 10; ++i) {
            child_group group(pool, limited(3));
            for (int j = 0; j < 5; ++j)
                group.async_spawn(pausing(w), [&](error_code, group_child) { ++told; });
            group.async_wait_all([&](error_code ec) { told += ec == aborted; });
        }
        pool.join();
        CHECK(told == 60);
        CHECK_FALSE(has_children());
    }
}

TEST_SUITE_END();
