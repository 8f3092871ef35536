// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_output.hpp"
#include "support/start_gate.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <memory>
#include <vector>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

std::string const term = std::to_string(SIGTERM);
error_code const aborted = asio::error::operation_aborted;
way const by_fork{spawn_backend::fork, exit_reaper::automatic};

/// Two probes, of which the first is held.
pipeline held_first(start_gate const& gate)
{
    return gate.hold(probe(by_fork, "pause")) | probe(by_fork, "pause").out(stdio::null());
}

class running_line : public running<std::vector<exit_status>> {
public:
    explicit running_line(pipeline line)
    {
        async_run(context, std::move(line), handler());
        CHECK_FALSE(done);
    }
};

/// Lets the loop do all that it can while a child is held.
template <class Op>
void poll_held(Op& op)
{
    REQUIRE(eventually(has_children));
    op.context.restart();
    op.context.poll();
    CHECK_FALSE(op.done);
}

} // namespace

TEST_SUITE_BEGIN("start");

TEST_CASE("the event loop goes on while the children of an operation set themselves up" * needs_threads())
{
    leaves_nothing guard;
    start_gate gate;
    asio::io_context context;
    int done = 0;
    auto const held = gate.hold(probe(by_fork, "exit", "0"));
    async_run(context, held, [&](error_code ec, exit_status status) { done += !ec.failed() && status.success(); });
    async_output(context, held, [&](error_code ec, output told) { done += !ec.failed() && told.status.success(); });
    async_run(context, held | held, [&](error_code ec, std::vector<exit_status> statuses) {
        done += !ec.failed() && statuses == std::vector<exit_status>(2, exit_status::from_raw(0));
    });
    async_output(context, held | held, [&](error_code ec, pipeline_output told) {
        done += !ec.failed() && told.statuses == std::vector<exit_status>(2, exit_status::from_raw(0));
    });
    asio::post(context, [&] {
        CHECK(done == 0);
        gate.open(); // nobody would, if the loop stood still
    });
    context.run_for(60s);
    CHECK(done == 4);
}

TEST_CASE("a child that is cancelled while it is started is stopped once its program runs" * needs_threads())
{
    leaves_nothing guard;
    start_gate gate;
    running_output op(gate.hold(probe(by_fork, "pause")));
    poll_held(op);
    op.cancel();
    poll_held(op);
    gate.open();
    op.finish();
    CHECK(op.error == aborted);
    CHECK(op.told.status.signal() == SIGTERM);
}

TEST_CASE("the time that a start takes counts for the timeout" * needs_threads())
{
    leaves_nothing guard;
    start_gate gate;
    output_options options;
    options.timeout = 0s;
    running_output op(gate.hold(probe(by_fork, "pause")), options);
    poll_held(op); // the time is over
    gate.open();
    op.finish();
    CHECK(op.error == errc::timed_out);
    CHECK(op.told.status.signal() == SIGTERM);
}

TEST_CASE("a second cancellation kills a child that is started, and completes after its end")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        output_options options;
        options.stop = stop_plan(SIGTERM, 1h);
        running_output op(probe(w, "ignore", term).signal_mask({SIGTERM}), options);
        for (int i = 0; i < 2; ++i)
            op.cancel();
        op.finish();
        CHECK(op.error == aborted);
        CHECK(op.told.status.signal() == SIGKILL);
    }
}

TEST_CASE("a program that runs is killed with its group, also where the loop has not noticed it")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        side_channel side;
        output_options options;
        options.stop = stop_plan(std::vector<stop_step>());
        options.drain_grace = 1h; // the grandchild's end ends the streams
        running_output op(probe(w, "--to=3", "family").process_group().fd(3, side.child_end()), options);
        pid_t const grandchild = std::atoi(side.line().c_str());
        REQUIRE(grandchild > 1);
        op.cancel();
        op.finish();
        CHECK(op.told.status.signal() == SIGKILL);
        CHECK(eventually([&] { return !is_alive(grandchild); }));
    }
}

TEST_CASE("a failed start is told rather than nothing, and a cancellation rather than that")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const missing = command("/nowhere").backend(w.backend).reaper(w.reaper);
        running_output op(missing);
        op.finish();
        CHECK(stage_of(op.error) == spawn_stage::exec);
        CHECK(op.told.status == exit_status());

        running_output cancelled(missing);
        cancelled.cancel();
        cancelled.finish();
        CHECK(cancelled.error == aborted);
        CHECK(cancelled.told.status == exit_status());
    }
}

TEST_CASE("a pipeline that is to end starts no further stage" * needs_threads())
{
    for (int times : {1, 2}) {
        CAPTURE(times);
        leaves_nothing guard;
        start_gate gate;
        running_line line(held_first(gate));
        poll_held(line);
        for (int i = 0; i < times; ++i)
            line.cancel();
        poll_held(line);
        gate.open();
        line.finish();
        CHECK(line.error == aborted);
        REQUIRE(line.told.size() == 2);
        CHECK(line.told[0].signal() == (times == 1 ? SIGTERM : SIGKILL));
        CHECK(line.told[1] == exit_status());
    }
}

TEST_CASE("a stage that fails to start ends those that run, and tells its stage")
{
    for (auto const& w : all_ways())
        for (bool stubborn : {false, true}) {
            CAPTURE(w);
            CAPTURE(stubborn);
            leaves_nothing guard;
            auto const first = stubborn ? probe(w, "ignore", term) : probe(w, "pause");
            auto const last = probe(w, "pause").current_dir("/nowhere").out(stdio::null());
            running_line line(first | first | last);
            line.finish();
            CHECK(stage_of(line.error) == spawn_stage::directory);
            CHECK(line.told == std::vector<exit_status>(3));
        }
}

TEST_CASE("what a stage lacks is known before any is started")
{
    leaves_nothing guard;
    asio::io_context context;
    auto const lacking = command("true").fd(3, stdio::file("/nowhere/file", open_mode::read));
    std::optional<error_code> told;
    async_run(context, command("true") | lacking, [&](error_code ec, auto const&) { told = ec; });
    CHECK_FALSE(has_children());
    CHECK_FALSE(told);
    context.run_for(60s);
    REQUIRE(told);
    CHECK(stage_of(*told) == spawn_stage::stdio);
}

TEST_CASE("descriptors may be closed once the operation has begun")
{
    scratch_folder folder;
    auto const told = folder.path("told");
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        running_line line = [&] {
            os::unique_fd const file = os::open_file(told.c_str(), open_mode::write).value();
            auto last = probe(w, "copy").out(stdio::fd(file.get()));
            return running_line(probe(w, "write", "1", "text") | last);
        }();
        line.finish();
        CHECK_FALSE(line.error.failed());
        CHECK(folder.read("told") == "text");
    }
}

TEST_CASE("with its event loop destroyed, a child that is started goes and nobody is called")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const alive = std::make_shared<int>();
        {
            asio::io_context context;
            output_options options;
            options.timeout = 1h;
            auto const never = [alive](auto&&...) { CHECK(false); };
            auto const stubborn = probe(w, "ignore", term);
            async_output(context, stubborn, options, never);
            async_output(context, stubborn | stubborn, options, never);
            async_run(context, probe(w, "ignore", term).out(stdio::null()), never);
        }
        CHECK(alive.use_count() == 1);
        CHECK(eventually([] { return !has_children(); }));
    }
}

TEST_CASE("a child that is held while its event loop is destroyed goes, too" * needs_threads())
{
    leaves_nothing guard;
    start_gate gate;
    auto const alive = std::make_shared<int>();
    {
        asio::io_context context;
        async_run(context, held_first(gate), [alive](auto&&...) { CHECK(false); });
        REQUIRE(eventually(has_children));
        context.poll();
    }
    CHECK(alive.use_count() == 1);
    gate.open();
    CHECK(eventually([] { return !has_children(); }));
}

TEST_CASE("pipelines may be started, stopped and killed while many threads run the loop" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::thread_pool pool(3);
        std::atomic<int> stopped = 0;
        std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
        auto const line = probe(w, "pause") | probe(w, "pause") | probe(w, "pause");
        for (int i = 0; i < 20; ++i) {
            signals.push_back(std::make_unique<asio::cancellation_signal>());
            async_output(
                pool, line,
                asio::bind_cancellation_slot(signals.back()->slot(), [&](error_code ec, pipeline_output told) {
                    stopped += ec == aborted && told.statuses.front().signal().has_value();
                }));
            signals.back()->emit(asio::cancellation_type::terminal);
            if (i % 2 == 1)
                signals.back()->emit(asio::cancellation_type::terminal);
        }
        pool.join();
        CHECK(stopped == 20);
        CHECK_FALSE(has_children());
    }
}

TEST_SUITE_END();
