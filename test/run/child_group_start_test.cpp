// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_group.hpp"
#include "support/start_gate.hpp"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <memory>
#include <vector>

using namespace brood;
using namespace test;

namespace {

error_code const aborted = asio::error::operation_aborted;

/// The gate holds a child in a pre_exec hook, and hooks require a fork.
std::vector<backend_config> const fork_only{{spawn_backend::fork, exit_watcher::automatic}};

/// A group whose first child waits at a gate: its start has not finished.
struct held_group : running_group {
    held_group(backend_config const& config, group_options options) : running_group(std::move(options))
    {
        spawn(gate.hold(pausing(config)));
        REQUIRE(eventually(has_children));
        poll();
        CHECK_FALSE(spawn_errors[0]);
        CHECK(group->running() == 1);
    }

    start_gate gate;
};

} // namespace

TEST_SUITE_BEGIN("child group start");

TEST_CASE(
    "child_group: a child that is being started does not block the event loop and counts as running" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        held_group test(config, at_most(1));
        test.spawn(pausing(config));
        CHECK(test.group->spawn(pausing(config)).error() == std::errc::resource_unavailable_try_again);
        test.poll();
        CHECK(test.group->running() == 1);
        test.gate.open();
        test.run_until([&] { return test.children.size() == 1; });
        CHECK(test.group->running() == 1);
        CHECK(test.children[0].index == 0);
        ::kill(test.children[0].id, SIGKILL);
        test.run_until([&] { return test.children.size() == 2; });
        CHECK(test.children[1].index == 1);
        ::kill(test.children[1].id, SIGKILL);
        test.finish();
    });
}

TEST_CASE("child_group: async_spawn waits for the start before it, spawn does not" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        held_group test(config, at_most(3));
        test.spawn(pausing(config));
        CHECK(test.group->running() == 1);
        auto const child = test.group->spawn(pausing(config));
        REQUIRE(child);
        CHECK(child.value().index == 2);
        CHECK(test.group->running() == 2);
        // The remaining place is reserved for the queued child.
        CHECK(test.group->spawn(pausing(config)).error() == std::errc::resource_unavailable_try_again);
        test.gate.open();
        test.run_until([&] { return test.children.size() == 2; });
        CHECK(test.children[0].index == 0);
        CHECK(test.children[1].index == 1);
        CHECK(test.group->running() == 3);
        test.group.reset();
        test.finish();
    });
}

TEST_CASE("child_group: a stop reaches a child that is being started once its program runs" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        held_group test(config, at_most(1));
        test.spawn(pausing(config));
        test.wait_all();
        test.cancel_wait.emit(asio::cancellation_type::terminal);
        test.poll();
        CHECK(test.spawn_errors[1] == aborted);
        CHECK_FALSE(test.spawn_errors[0]);
        CHECK_FALSE(test.wait_error);
        test.gate.open();
        test.next();
        test.finish();
        CHECK(test.wait_error == aborted);
        CHECK(test.spawn_errors[0] == error_code());
        REQUIRE(test.results.size() == 1);
        CHECK(test.results[0].status.signal() == SIGTERM);
    });
}

TEST_CASE("child_group: the destructor kills a child that is being started" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        held_group test(config, at_most(1));
        test.spawn(pausing(config));
        test.wait_all();
        test.group.reset();
        test.poll();
        CHECK(test.spawn_errors[0] == aborted);
        CHECK(test.spawn_errors[1] == aborted);
        test.finish(); // the child is killed although the gate stays closed
        CHECK(test.wait_error == aborted);
    });
}

TEST_CASE("child_group: a spawn that is cancelled during the start is no failure and frees its place" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        held_group test(config, at_most(1, failure_policy::stop_rest));
        test.cancel_spawn.emit(asio::cancellation_type::total);
        test.poll();
        CHECK((!test.spawn_errors[0] || !has_children())); // completes after the child has been reaped
        test.spawn(quiet(probe(config, "exit", "0")));
        test.gate.open();
        test.next();
        test.next();
        test.finish();
        CHECK(test.spawn_errors[0] == aborted);
        CHECK(test.spawn_errors[1] == error_code());
        REQUIRE(test.results.size() == 2);
        CHECK(test.results[0].index == 1);
        CHECK(test.results[0].status.success());
        CHECK(test.next_errors[1] == asio::error::eof);
    });
}

TEST_CASE("child_group: a spawn that is cancelled at once leaves no child and no result")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        test.spawn(quiet(probe(config, "ignore", std::to_string(SIGTERM))));
        test.cancel_spawn.emit(asio::cancellation_type::partial);
        test.next();
        test.finish();
        CHECK(test.spawn_errors[0] == aborted);
        REQUIRE(test.next_errors.size() == 1);
        CHECK(test.next_errors[0] == asio::error::eof);
        CHECK(test.group->running() == 0);
    });
}

TEST_CASE("child_group: after a failed start, the next child starts")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(2));
        test.spawn(pausing(config).current_dir("/nowhere"));
        test.spawn(quiet(probe(config, "exit", "4")));
        test.next();
        test.next();
        test.finish();
        CHECK(stage_of(test.spawn_errors[0].value()) == spawn_stage::directory);
        CHECK(test.spawn_errors[1] == error_code());
        REQUIRE(test.results.size() == 2);
        CHECK(test.results[0].index == 1);
        CHECK(test.results[0].status.code() == 4);
        CHECK(test.next_errors[1] == asio::error::eof);
    });
}

TEST_CASE("child_group: a destroyed context kills children that are being started and invokes no handler")
{
    for_each_config([](backend_config const& config) {
        auto const handler_data = std::make_shared<int>();
        auto context = std::make_unique<asio::io_context>();
        child_group group(*context, at_most(2));
        for (int i = 0; i < 3; ++i)
            group.async_spawn(pausing(config), [handler_data](error_code, group_child) { CHECK(false); });
        group.async_next([handler_data](error_code, group_result) { CHECK(false); });
        group.async_wait_all([handler_data](error_code) { CHECK(false); });
        context.reset();
        CHECK(handler_data.use_count() == 1);
        CHECK(eventually([] { return !has_children(); }));
    });
}

TEST_CASE("child_group: the destructor completes all operations while other threads start children" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        asio::thread_pool pool(3);
        std::atomic<int> completions = 0;
        for (int i = 0; i < 10; ++i) {
            child_group group(pool, at_most(3));
            for (int j = 0; j < 5; ++j)
                group.async_spawn(pausing(config), [&](error_code, group_child) { ++completions; });
            group.async_wait_all([&](error_code ec) { completions += ec == aborted; });
        }
        pool.join();
        CHECK(completions == 60);
        CHECK_FALSE(has_children());
    });
}

TEST_SUITE_END();
