// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_output.hpp"

#include <array>
#include <memory>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

std::string const term = std::to_string(SIGTERM);

/// A pipeline of three probes that tell of themselves beside their output, run to its end.
class running_line : public running<std::vector<exit_status>> {
public:
    template <class... Args>
    running_line(way const& w, Args const&... args)
    {
        for (auto& side : sides)
            stages.push_back(probe(w, "--to=3", args...).fd(3, side.child_end()));
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
        running::finish();
        REQUIRE(told.size() == stages.size());
    }

    os::fd_pair input = os::make_pipe().value();
    std::array<side_channel, 3> sides;
    std::vector<command> stages;
};

} // namespace

TEST_SUITE_BEGIN("pipeline, stopped");

TEST_CASE("a cancelled pipeline stops all its stages, and completes after their end")
{
    for (auto const& w : all_ways())
        for (auto type :
             {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
            CAPTURE(w);
            leaves_nothing guard;
            running_line line(w, "pause");
            line.start();
            for (auto& side : line.sides)
                CHECK(side.line(line.context) == "ready");
            line.cancel(type);
            line.finish();
            CHECK(line.error == asio::error::operation_aborted);
            for (auto const& status : line.told)
                CHECK(status.signal() == SIGTERM);
        }
}

TEST_CASE("each stage gets a signal once, and a second cancellation kills all at once")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        running_line line(w, "tell-signals", "0", term);
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
        for (auto const& status : line.told)
            CHECK(status.signal() == SIGKILL);
        for (auto& side : line.sides)
            CHECK(side.line(line.context) == "");
    }
}

TEST_CASE("stages whose group's leader has ended are stopped too, and so are those that lead their own")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        running_line line(w, "pause");
        line.stages[0] = probe(w, "--to=3", "exit", "6").fd(3, line.sides[0].child_end());
        line.stages[2].session();
        line.start();
        CHECK(line.sides[0].line(line.context) == ""); // it has ended
        CHECK(line.sides[1].line(line.context) == "ready");
        CHECK(line.sides[2].line(line.context) == "ready");
        line.cancel();
        line.finish();
        CHECK(line.told[0].code() == 6);
        CHECK(line.told[1].signal() == SIGTERM);
        CHECK(line.told[2].signal() == SIGTERM);
    }
}

TEST_CASE("stopping a pipeline reaches the children of its stages")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        running_line line(w, "family");
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
    }
}

TEST_CASE("a loop that ends first takes all stages with it, and calls nobody")
{
    for (auto const& w : all_ways())
        for (bool polled : {false, true}) {
            CAPTURE(w);
            CAPTURE(polled);
            leaves_nothing guard;
            auto const token = std::make_shared<int>();
            {
                running_line line(w, "pause");
                async_run(line.context, pipeline(line.stages), [token](error_code, std::vector<exit_status>) {
                    CHECK(false);
                });
                for (auto& side : line.sides)
                    CHECK(side.line(line.context) == "ready");
                if (polled)
                    line.context.poll();
            }
            CHECK(token.use_count() == 1);
            CHECK(eventually([] { return !has_children(); }));
        }
}

TEST_SUITE_END();
