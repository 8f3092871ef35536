// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/kill_guard.hpp"
#include "support/running_group.hpp"
#include "support/side_channel.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <map>
#include <vector>

using namespace brood;
using namespace test;

namespace {

command captured(command cmd) { return cmd.out(stdio::piped()).err(stdio::piped()); }

group_options with_limit(std::size_t limit, limit_policy policy)
{
    return at_most(2).each(sigterm_only().limit(limit, policy));
}

/// A child with a grandchild that holds its output open. The grandchild's pid is reported on `side`.
command family(backend_config const& config, side_channel const& side)
{
    return captured(probe(config, "--to=3", "family")).fd(3, side.child_end());
}

} // namespace

TEST_SUITE_BEGIN("child group output");

TEST_CASE("child_group: a result contains the data that the child wrote to its pipes")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        test.spawn(captured(probe(config, "write", "1", "text")));
        test.spawn(captured(probe(config, "write", "2", "trouble")));
        test.spawn(probe(config, "write", "2", "together").out(stdio::piped()).err(stdio::same_as(1)));
        test.spawn(probe(config, "write", "1", "unseen").out(stdio::null()).err(stdio::piped()));
        test.spawn(captured(probe(config, "exit", "3")));
        for (int i = 0; i < 5; ++i)
            test.next();
        test.finish();
        REQUIRE(test.results.size() == 5);
        CHECK(test.results[0].out == "text");
        CHECK(test.results[0].err.empty());
        CHECK(test.results[1].out.empty());
        CHECK(test.results[1].err == "trouble");
        CHECK(test.results[2].out == "together");
        CHECK(test.results[3].out.empty());
        CHECK(test.results[4].status.code() == 3);
        for (auto const& result : test.results) {
            CHECK(result.usage);
            CHECK_FALSE(result.truncated);
        }
        for (auto const& error : test.next_errors)
            CHECK_FALSE(error.failed());
    });
}

TEST_CASE("child_group: standard output and standard error on one pipe keep their order")
{
    std::string expected;
    for (int i = 0; i < 100; ++i)
        expected += "out\nerr\n";
    for_each_config([&](backend_config const& config) {
        running_group test(at_most(1));
        command shell("sh", "-c", "i=0; while [ $i -lt 100 ]; do echo out; echo err >&2; i=$((i+1)); done");
        shell.backend(config.backend).watcher(config.watcher);
        test.spawn(shell.out(stdio::piped()).err(stdio::same_as(1)));
        test.next();
        test.finish();
        REQUIRE(test.results.size() == 1);
        CHECK(test.results[0].out == expected);
    });
}

TEST_CASE("child_group: concurrent children may each write more than the capacity of a pipe")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(8));
        for (std::size_t i = 0; i < 24; ++i) {
            test.spawn(captured(probe(config, "write-much", i % 2 == 0 ? "1" : "2", std::to_string(500'000 + i))));
            test.next();
        }
        test.wait_all();
        test.finish();
        CHECK(test.wait_error == error_code());
        REQUIRE(test.results.size() == 24);
        for (auto const& result : test.results) {
            CHECK(result.status.success());
            CHECK((result.index % 2 == 0 ? result.out : result.err) == std::string(500'000 + result.index, 'x'));
            CHECK((result.index % 2 == 0 ? result.err : result.out).empty());
        }
    });
}

TEST_CASE("child_group: a loop may start children and take results alternately")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        std::vector<std::string> const inputs{"a", "b", "c", "d", "e", "f", "g", "h"};
        auto const ex = co_await asio::this_coro::executor;
        auto const options = at_most(3);
        child_group group(ex, options);
        std::vector<std::string> outputs(inputs.size());
        for (std::size_t started = 0, ended = 0; ended < inputs.size();) {
            if (started < inputs.size() && started - ended < options.settings().max_running) {
                auto cmd = probe(config, "write", "1", inputs[started++]);
                co_await group.async_spawn(cmd.out(stdio::piped()));
            } else {
                auto const result = co_await group.async_next();
                outputs[result.index] = result.out;
                ++ended;
            }
        }
        CHECK(outputs == inputs);
        CHECK((co_await group.async_next(as_result)).error() == asio::error::eof);
    });
}

TEST_CASE("child_group: a child that exceeds the limit is stopped or its data is discarded, as the policy says")
{
    for (auto policy : {limit_policy::stop_child, limit_policy::discard}) {
        bool const stops = policy == limit_policy::stop_child;
        CAPTURE(stops);
        for_each_config([&](backend_config const& config) {
            running_group test(with_limit(100'000, policy));
            test.spawn(captured(probe(config, "write-much", "1", stops ? "100000000000" : "1000000")));
            test.spawn(captured(probe(config, "write-much", "1", "100000")));
            test.next();
            test.next();
            test.finish();
            REQUIRE(test.results.size() == 2);
            for (std::size_t i : {0u, 1u}) {
                auto const& result = test.results[i];
                bool const over = result.index == 0;
                CHECK(test.next_errors[i] == (over && stops ? error_code(errc::output_limit_exceeded) : error_code()));
                CHECK(result.truncated == over);
                CHECK(result.out == std::string(100'000, 'x'));
                CHECK((over && stops ? result.status.signal() == SIGTERM : result.status.success()));
            }
        });
    }
}

TEST_CASE("child_group: with stop_rest, exceeding the output limit is a failure")
{
    for_each_config([](backend_config const& config) {
        auto options = with_limit(1000, limit_policy::stop_child);
        options.on_failure(failure_policy::stop_rest);
        running_group test(options);
        test.spawn(pausing(config));
        test.spawn(captured(probe(config, "write-much", "1", "100000000000")));
        test.wait_all();
        test.next();
        test.next();
        test.finish();
        CHECK(test.wait_error == error_code());
        REQUIRE(test.results.size() == 2);
        CHECK(test.next_errors[0] == errc::output_limit_exceeded);
        CHECK(test.results[1].status.signal() == SIGTERM);
        CHECK_FALSE(test.next_errors[1].failed()); // stopped by the group
    });
}

TEST_CASE("child_group: the timeout applies to each child, and the output before it is kept")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(2).each(sigterm_only().timeout(0s)));
        // The child unblocks SIGTERM after the last write, so that the output does not depend on the time.
        test.spawn(captured(probe(config, "write-then-obey", "500000")).signal_mask({SIGTERM}));
        test.next();
        test.finish();
        REQUIRE(test.results.size() == 1);
        CHECK(test.next_errors[0] == errc::timed_out);
        CHECK(test.results[0].status.signal() == SIGTERM);
        CHECK(test.results[0].out.size() == 500'000);
    });
}

TEST_CASE("child_group: a descendant that holds a pipe open delays the result by drain_grace at most")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1).each(sigterm_only().drain_grace(1ms)));
        test.spawn(captured(probe(config, "grandchild")));
        test.spawn(captured(probe(config, "write", "1", "next")));
        test.next();
        test.next();
        test.finish();
        REQUIRE(test.results.size() == 2);
        kill_guard const grandchild{std::atoi(test.results[0].out.c_str())};
        CHECK(test.next_errors[0] == errc::output_incomplete);
        CHECK(test.results[0].status.success());
        CHECK(is_alive(grandchild.pid));
        CHECK(test.results[1].out == "next");
    });
}

TEST_CASE("child_group: a child counts as running until its streams end")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1).each(sigterm_only().drain_grace(1h)));
        side_channel side;
        test.spawn(captured(probe(config, "--to=3", "grandchild")).fd(3, side.child_end()));
        kill_guard const grandchild{std::atoi(side.line().c_str())};
        test.run_until([] { return !has_children(); });
        CHECK(test.group->running() == 1);
        CHECK(test.group->spawn(pausing(config)).error() == std::errc::resource_unavailable_try_again);
        test.next();
        ::kill(grandchild.pid, SIGKILL);
        test.finish();
        REQUIRE(test.results.size() == 1);
        CHECK_FALSE(test.next_errors[0].failed());
        CHECK(test.group->running() == 0);
    });
}

TEST_CASE("child_group: after async_stop, the results contain the output and no error")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        child_group group(ex, at_most(2));
        side_channel side;
        auto cleaning = captured(probe(config, "--to=3", "clean-up"));
        (void)co_await group.async_spawn(cleaning.fd(3, side.child_end()));
        (void)side.line();
        auto writing = captured(probe(config, "write-then-obey", "300000"));
        writing.signal_mask({SIGTERM});
        (void)co_await group.async_spawn(writing);
        co_await group.async_stop();
        CHECK_FALSE(has_children());
        for (int i = 0; i < 2; ++i) {
            auto const result = co_await group.async_next();
            CHECK((result.index == 0 ? result.status.success() : result.status.signal() == SIGTERM));
            CHECK(result.out.size() == (result.index == 0 ? 0 : 300'000));
        }
        CHECK(side.line() == "cleaned up");
    });
}

TEST_CASE("child_group: a kill does not wait for a descendant that holds a pipe open")
{
    for (bool destroy_group : {false, true}) {
        CAPTURE(destroy_group);
        for_each_config([&](backend_config const& config) {
            auto options = at_most(1);
            options.each(output_options().drain_grace(1h).stop(stop_plan(SIGCONT, 1h)));
            running_group test(options);
            side_channel side;
            test.spawn(family(config, side));
            kill_guard const grandchild{std::atoi(side.line().c_str())};
            test.wait_all();
            test.run_until([&] { return test.children.size() == 1; });
            if (destroy_group)
                test.group.reset();
            else {
                test.cancel_wait.emit(asio::cancellation_type::terminal);
                test.context.poll();
                test.cancel_wait.emit(asio::cancellation_type::terminal);
                test.next();
            }
            test.finish();
            CHECK(test.wait_error == error_code(asio::error::operation_aborted));
            CHECK(is_alive(grandchild.pid));
            REQUIRE(test.results.size() == (destroy_group ? 0 : 1));
            if (!destroy_group)
                CHECK(test.results[0].status.signal() == SIGKILL);
        });
    }
}

TEST_CASE("child_group: the destructor kills the process group that a child leads")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        side_channel side;
        test.spawn(family(config, side).process_group());
        kill_guard const grandchild{std::atoi(side.line().c_str())};
        test.run_until([&] { return test.children.size() == 1; });
        test.group.reset(); // while no thread runs the context
        CHECK(eventually([&] { return !is_alive(grandchild.pid); }));
        test.finish();
    });
}

TEST_CASE("child_group: a destroyed context kills captured children and invokes no handler")
{
    for (bool polled : {false, true}) {
        CAPTURE(polled);
        for_each_config([&](backend_config const& config) {
            auto const handler_data = std::make_shared<int>();
            auto context = std::make_unique<asio::io_context>();
            child_group group(*context, at_most(2));
            for (int i = 0; i < 3; ++i)
                group.async_spawn(captured(probe(config, "pause")), [handler_data](error_code, group_child) {});
            group.async_next([handler_data](error_code, group_result) { CHECK(false); });
            group.async_wait_all([handler_data](error_code) { CHECK(false); });
            if (polled)
                context->poll();
            context.reset();
            CHECK(handler_data.use_count() == 1);
            CHECK(eventually([] { return !has_children(); }));
        });
    }
}

TEST_CASE("child_group: several threads may run the context of a group that captures output" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        asio::thread_pool pool(4);
        child_group group(pool, at_most(4));
        std::atomic<int> complete = 0;
        for (int i = 0; i < 20; ++i) {
            group.async_spawn(captured(probe(config, "write-much", "1", "200000")), asio::detached);
            group.async_next(
                [&](error_code ec, group_result result) { complete += !ec.failed() && result.out.size() == 200'000; });
        }
        group.async_wait_all(asio::use_future).get();
        pool.join();
        CHECK(complete == 20);
    });
}

TEST_CASE("child_group: a spawn may have options of its own")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        child_group group(context, group_options().max_running(1).each(output_options().input("shared").limit(100)));
        auto const copy = probe(config, "copy").out(stdio::piped());
        std::vector<error_code> errors(5);
        auto const store = [&](std::size_t i) { return [&errors, i](error_code ec, group_child) { errors[i] = ec; }; };
        group.async_spawn(copy, store(0));
        group.async_spawn(copy, output_options().input("own"), store(1));
        group.async_spawn(command(copy).in(stdio::null()), output_options().limit(1), store(2));
        group.async_spawn(command(copy).in(stdio::null()), store(3)); // the input of the group cannot take effect
        group.async_spawn(copy, output_options().stop(stop_plan(1000, 1s)), store(4));
        std::map<std::size_t, std::string> outputs;
        for (int i = 0; i < 3; ++i)
            group.async_next([&](error_code, group_result result) {
                outputs[result.index] = result.out;
                CHECK(result.elapsed > 0s);
            });
        context.run_for(60s);
        CHECK(outputs == std::map<std::size_t, std::string>{{0, "shared"}, {1, "own"}, {2, ""}});
        for (std::size_t i : {0u, 1u, 2u})
            CHECK_FALSE(errors[i].failed());
        CHECK(errors[3] == std::errc::invalid_argument);
        CHECK(errors[4] == std::errc::invalid_argument);
    });
}

TEST_SUITE_END();
