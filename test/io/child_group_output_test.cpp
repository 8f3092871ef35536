// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_output.hpp"
#include "support/test_group.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>

using namespace brood;
using namespace test;

namespace {

command captured(command cmd) { return cmd.out(stdio::piped()).err(stdio::piped()); }

group_options limited_output(std::size_t limit, limit_policy policy)
{
    auto options = limited(2);
    options.output_limit = limit;
    options.on_output_limit = policy;
    return options;
}

/// A child with a grandchild that holds its output, and whose pid comes out on `side`.
command family(way const& w, side_channel const& side)
{
    return captured(probe(w, "--to=3", "family")).fd(3, side.child_end());
}

/// Ends a process, which is no child of ours, at the end of a test.
struct ended_later {
    ~ended_later()
    {
        if (pid > 1)
            ::kill(pid, SIGKILL);
    }
    pid_t pid;
};

} // namespace

TEST_SUITE_BEGIN("child group, captured");

TEST_CASE("what a child writes to its pipes comes with its result")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(1));
        test.spawn(captured(probe(w, "write", "1", "text")));
        test.spawn(captured(probe(w, "write", "2", "trouble")));
        test.spawn(probe(w, "write", "2", "together").out(stdio::piped()).err(stdio::same_as(1)));
        test.spawn(probe(w, "write", "1", "unseen").out(stdio::null()).err(stdio::piped()));
        test.spawn(captured(probe(w, "exit", "3")));
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
        for (auto const& error : test.told)
            CHECK_FALSE(error.failed());
    }
}

TEST_CASE("both streams in one string keep their order")
{
    std::string expected;
    for (int i = 0; i < 100; ++i)
        expected += "out\nerr\n";
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(1));
        command shell("sh", "-c", "i=0; while [ $i -lt 100 ]; do echo out; echo err >&2; i=$((i+1)); done");
        shell.backend(w.backend).reaper(w.reaper);
        test.spawn(shell.out(stdio::piped()).err(stdio::same_as(1)));
        test.next();
        test.finish();
        REQUIRE(test.results.size() == 1);
        CHECK(test.results[0].out == expected);
    }
}

TEST_CASE("many children at once may each write more than a pipe holds")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(8));
        for (std::size_t i = 0; i < 24; ++i) {
            test.spawn(captured(probe(w, "write-much", i % 2 == 0 ? "1" : "2", std::to_string(500'000 + i))));
            test.next();
        }
        test.wait_all();
        test.finish();
        CHECK(test.all_ended == error_code());
        REQUIRE(test.results.size() == 24);
        for (auto const& result : test.results) {
            CHECK(result.status.success());
            CHECK((result.index % 2 == 0 ? result.out : result.err) == std::string(500'000 + result.index, 'x'));
            CHECK((result.index % 2 == 0 ? result.err : result.out).empty());
        }
    }
}

TEST_CASE("results that are taken as they come do not pile up")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            std::vector<std::string> const inputs{"a", "b", "c", "d", "e", "f", "g", "h"};
            auto const ex = co_await asio::this_coro::executor;
            auto const options = limited(3);
            child_group group(ex, options);
            std::vector<std::string> outputs(inputs.size());
            for (std::size_t begun = 0, taken = 0; taken < inputs.size();) {
                if (begun < inputs.size() && begun - taken < options.limit) {
                    auto cmd = probe(by, "write", "1", inputs[begun++]);
                    co_await group.async_spawn(cmd.out(stdio::piped()));
                } else {
                    auto const ended = co_await group.async_next();
                    outputs[ended.index] = ended.out;
                    ++taken;
                }
            }
            CHECK(outputs == inputs);
            CHECK((co_await group.async_next(as_result)).error() == asio::error::eof);
        }(w));
    }
}

TEST_CASE("over the limit a child is stopped, or goes on unread")
{
    for (auto const& w : all_ways())
        for (auto policy : {limit_policy::stop_child, limit_policy::discard}) {
            CAPTURE(w);
            leaves_nothing guard;
            bool const stops = policy == limit_policy::stop_child;
            test_group test(limited_output(100'000, policy));
            test.spawn(captured(probe(w, "write-much", "1", stops ? "100000000000" : "1000000")));
            test.spawn(captured(probe(w, "write-much", "1", "100000")));
            test.next();
            test.next();
            test.finish();
            REQUIRE(test.results.size() == 2);
            for (std::size_t i : {0u, 1u}) {
                auto const& result = test.results[i];
                bool const over = result.index == 0;
                CHECK(test.told[i] == (over && stops ? error_code(errc::output_limit_exceeded) : error_code()));
                CHECK(result.truncated == over);
                CHECK(result.out == std::string(100'000, 'x'));
                CHECK((over && stops ? result.status.signal() == SIGTERM : result.status.success()));
            }
        }
}

TEST_CASE("a child that writes too much is one that fails")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto options = limited_output(1000, limit_policy::stop_child);
        options.on_failure = failure_policy::stop_rest;
        test_group test(options);
        test.spawn(pausing(w));
        test.spawn(captured(probe(w, "write-much", "1", "100000000000")));
        test.wait_all();
        test.next();
        test.next();
        test.finish();
        CHECK(test.all_ended == error_code());
        REQUIRE(test.results.size() == 2);
        CHECK(test.told[0] == errc::output_limit_exceeded);
        CHECK(test.results[1].status.signal() == SIGTERM);
        CHECK_FALSE(test.told[1].failed()); // it was told to
    }
}

TEST_CASE("each child may run so long, and what it wrote by then is kept")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto options = limited(2);
        options.timeout = 0s;
        test_group test(options);
        // SIGTERM is let in when all is written, so that the text does not depend on the time.
        test.spawn(captured(probe(w, "write-then-obey", "500000")).signal_mask({SIGTERM}));
        test.next();
        test.finish();
        REQUIRE(test.results.size() == 1);
        CHECK(test.told[0] == errc::timed_out);
        CHECK(test.results[0].status.signal() == SIGTERM);
        CHECK(test.results[0].out.size() == 500'000);
    }
}

TEST_CASE("a descendant that holds a pipe delays the result by the grace at most")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto options = limited(1);
        options.drain_grace = 1ms;
        test_group test(options);
        test.spawn(captured(probe(w, "grandchild")));
        test.spawn(captured(probe(w, "write", "1", "next")));
        test.next();
        test.next();
        test.finish();
        REQUIRE(test.results.size() == 2);
        ended_later const grandchild{std::atoi(test.results[0].out.c_str())};
        CHECK(test.told[0] == errc::output_incomplete);
        CHECK(test.results[0].status.success());
        CHECK(is_alive(grandchild.pid));
        CHECK(test.results[1].out == "next");
    }
}

TEST_CASE("a child keeps its place until its output has ended")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto options = limited(1);
        options.drain_grace = 1h;
        test_group test(options);
        side_channel side;
        test.spawn(captured(probe(w, "--to=3", "grandchild")).fd(3, side.child_end()));
        ended_later const grandchild{std::atoi(side.line().c_str())};
        test.until([] { return !has_children(); });
        CHECK(test.group->running() == 1);
        CHECK(test.group->spawn(pausing(w)).error() == std::errc::resource_unavailable_try_again);
        test.next();
        ::kill(grandchild.pid, SIGKILL);
        test.finish();
        REQUIRE(test.results.size() == 1);
        CHECK_FALSE(test.told[0].failed());
        CHECK(test.group->running() == 0);
    }
}

TEST_CASE("a group that is stopped still tells what its children wrote, without an error")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            child_group group(ex, limited(2));
            side_channel side;
            auto cmd = captured(probe(by, "--to=3", "clean-up"));
            (void)co_await group.async_spawn(cmd.fd(3, side.child_end()));
            (void)side.line();
            auto obeying = captured(probe(by, "write-then-obey", "300000"));
            obeying.signal_mask({SIGTERM});
            (void)co_await group.async_spawn(obeying);
            co_await group.async_stop();
            CHECK_FALSE(has_children());
            for (int i = 0; i < 2; ++i) {
                auto const one = co_await group.async_next();
                CHECK((one.index == 0 ? one.status.success() : one.status.signal() == SIGTERM));
                CHECK(one.out.size() == (one.index == 0 ? 0 : 300'000));
            }
            CHECK(side.line() == "cleaned up");
        }(w));
    }
}

TEST_CASE("once killed, a group does not wait for who holds a pipe")
{
    for (auto const& w : all_ways())
        for (bool leave_scope : {false, true}) {
            CAPTURE(w);
            CAPTURE(leave_scope);
            leaves_nothing guard;
            auto options = limited(1);
            options.drain_grace = 1h;
            options.stop = stop_plan(SIGCONT, 1h);
            test_group test(options);
            side_channel side;
            test.spawn(family(w, side));
            ended_later const grandchild{std::atoi(side.line().c_str())};
            test.wait_all();
            test.until([&] { return test.members.size() == 1; });
            if (leave_scope)
                test.group.reset();
            else {
                test.cancel.emit(asio::cancellation_type::terminal);
                test.context.poll();
                test.cancel.emit(asio::cancellation_type::terminal);
                test.next();
            }
            test.finish();
            CHECK(test.all_ended == error_code(asio::error::operation_aborted));
            CHECK(is_alive(grandchild.pid));
            REQUIRE(test.results.size() == (leave_scope ? 0 : 1));
            if (!leave_scope)
                CHECK(test.results[0].status.signal() == SIGKILL);
        }
}

TEST_CASE("killing a child with a group of its own reaches its children")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(1));
        side_channel side;
        test.spawn(family(w, side).process_group());
        ended_later const grandchild{std::atoi(side.line().c_str())};
        test.until([&] { return test.members.size() == 1; });
        test.group.reset(); // nobody runs the loop
        CHECK(eventually([&] { return !is_alive(grandchild.pid); }));
        test.finish();
    }
}

TEST_CASE("a loop that ends first takes captured children with it, and calls nobody")
{
    for (auto const& w : all_ways())
        for (bool polled : {false, true}) {
            CAPTURE(w);
            CAPTURE(polled);
            leaves_nothing guard;
            auto const alive = std::make_shared<int>();
            auto context = std::make_unique<asio::io_context>();
            child_group group(*context, limited(2));
            for (int i = 0; i < 3; ++i)
                group.async_spawn(captured(probe(w, "pause")), [alive](error_code, group_child) {});
            group.async_next([alive](error_code, group_result) { CHECK(false); });
            group.async_wait_all([alive](error_code) { CHECK(false); });
            if (polled)
                context->poll();
            context.reset();
            CHECK(alive.use_count() == 1);
            CHECK(eventually([] { return !has_children(); }));
        }
}

TEST_CASE("many threads may share a group that captures" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::thread_pool pool(4);
        child_group group(pool, limited(4));
        std::atomic<int> right = 0;
        for (int i = 0; i < 20; ++i) {
            group.async_spawn(captured(probe(w, "write-much", "1", "200000")), asio::detached);
            group.async_next(
                [&](error_code ec, group_result told) { right += !ec.failed() && told.out.size() == 200'000; });
        }
        group.async_wait_all(asio::use_future).get();
        pool.join();
        CHECK(right == 20);
    }
}

TEST_SUITE_END();
