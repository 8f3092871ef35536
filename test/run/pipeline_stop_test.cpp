// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_operation.hpp"
#include "support/side_channel.hpp"

#include <array>
#include <memory>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

std::string const term = std::to_string(SIGTERM);

/// The `async_run` of a pipeline of three probes, each with a side channel.
class running_pipeline : public running_operation<std::vector<exit_status>> {
public:
    template <class... Args>
    running_pipeline(backend_config const& config, Args const&... args)
    {
        for (auto& side : sides)
            stages.push_back(probe(config, "--to=3", args...).fd(3, side.child_end()));
        stages.front().in(stdio::fd(input.first.get()));
        stages.back().out(stdio::null());
    }

    void start()
    {
        async_run(context, pipeline(stages), handler());
        CHECK_FALSE(done);
    }

    void finish()
    {
        running_operation::finish();
        REQUIRE(result.size() == stages.size());
    }

    os::fd_pair input = os::make_pipe().value();
    std::array<side_channel, 3> sides;
    std::vector<command> stages;
};

} // namespace

TEST_SUITE_BEGIN("pipeline stop");

TEST_CASE("async_run: cancelling a pipeline stops all stages and completes when they are reaped")
{
    for (auto type :
         {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
        CAPTURE(static_cast<unsigned>(type));
        for_each_config([&](backend_config const& config) {
            running_pipeline line(config, "pause");
            line.start();
            for (auto& side : line.sides)
                CHECK(side.line(line.context) == "ready");
            line.cancel(type);
            line.finish();
            CHECK(line.error == asio::error::operation_aborted);
            for (auto const& status : line.result)
                CHECK(status.signal() == SIGTERM);
        });
    }
}

TEST_CASE("async_run: each stage receives a signal once, and a second cancellation kills all stages")
{
    for_each_config([](backend_config const& config) {
        running_pipeline line(config, "print-signals", "0", term);
        line.start();
        for (auto& side : line.sides)
            CHECK(side.line(line.context) == "ready");
        line.cancel();
        for (auto& side : line.sides)
            CHECK(side.line(line.context) == term);
        CHECK_FALSE(line.done);
        line.cancel();
        line.finish();
        CHECK(line.error == asio::error::operation_aborted);
        for (auto const& status : line.result)
            CHECK(status.signal() == SIGKILL);
        for (auto& side : line.sides)
            CHECK(side.line(line.context) == "");
    });
}

TEST_CASE("async_run: a stop reaches stages whose group leader has exited and stages in their own session")
{
    for_each_config([](backend_config const& config) {
        running_pipeline line(config, "pause");
        line.stages[0] = probe(config, "--to=3", "exit", "6").fd(3, line.sides[0].child_end());
        line.stages[2].session();
        line.start();
        CHECK(line.sides[0].line(line.context) == ""); // the leader has exited
        CHECK(line.sides[1].line(line.context) == "ready");
        CHECK(line.sides[2].line(line.context) == "ready");
        line.cancel();
        line.finish();
        CHECK(line.result[0].code() == 6);
        CHECK(line.result[1].signal() == SIGTERM);
        CHECK(line.result[2].signal() == SIGTERM);
    });
}

// As GNU timeout and the job control of a shell do.
TEST_CASE("async_run: stopping a pipeline reaches stages that have left its process group")
{
    for (bool kill : {false, true}) {
        CAPTURE(kill);
        for_each_config([&](backend_config const& config) {
            running_pipeline line(config, "pause");
            line.stages[1] = probe(config, "--to=3", "lead-group").fd(3, line.sides[1].child_end());
            line.stages[2] = probe(config, "--to=3", "leave-group").fd(3, line.sides[2].child_end());
            line.stages[2].out(stdio::null());
            if (kill)
                line.stages[1].signal_mask({SIGTERM});
            line.start();
            for (auto& side : line.sides)
                CHECK(side.line(line.context) == "ready");
            line.cancel();
            if (kill)
                line.cancel();
            line.finish();
            CHECK(line.result[1].signal() == (kill ? SIGKILL : SIGTERM));
            for (auto const& status : line.result)
                CHECK(status.signal());
        });
    }
}

TEST_CASE("async_run: stopping a pipeline reaches the children of its stages")
{
    for_each_config([](backend_config const& config) {
        running_pipeline line(config, "family");
        line.start();
        std::vector<pid_t> grandchildren;
        for (auto& side : line.sides)
            grandchildren.push_back(std::atoi(side.line(line.context).c_str()));
        line.cancel();
        line.finish();
        for (pid_t pid : grandchildren) {
            REQUIRE(pid > 1);
            CHECK(eventually([&] { return !is_alive(pid); }));
        }
    });
}

TEST_CASE("async_run: a destroyed context kills all stages and invokes no handler")
{
    for (bool polled : {false, true}) {
        CAPTURE(polled);
        for_each_config([&](backend_config const& config) {
            auto const handler_data = std::make_shared<int>();
            {
                running_pipeline line(config, "pause");
                async_run(line.context, pipeline(line.stages), [handler_data](error_code, std::vector<exit_status>) {
                    CHECK(false);
                });
                for (auto& side : line.sides)
                    CHECK(side.line(line.context) == "ready");
                if (polled)
                    line.context.poll();
            }
            CHECK(handler_data.use_count() == 1);
            CHECK(eventually([] { return !has_children(); }));
        });
    }
}

TEST_SUITE_END();
