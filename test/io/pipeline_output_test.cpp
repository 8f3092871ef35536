// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_output.hpp"

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

struct finished_line {
    error_code error;
    pipeline_output told;
};

finished_line output_now(pipeline const& line, output_options const& options = {})
{
    running_pipeline_output op(line, options);
    op.finish();
    return {op.error, std::move(op.told)};
}

output_options fed(std::string const& text)
{
    output_options options;
    options.input = asio::buffer(text);
    return options;
}

} // namespace

TEST_SUITE_BEGIN("pipeline output");

TEST_CASE("a pipeline's first stage is fed, and its last one's output captured")
{
    for (auto const& w : all_ways())
        for (std::size_t size : {std::size_t(0), std::size_t(10), std::size_t(5'000'000)}) {
            CAPTURE(w);
            CAPTURE(size);
            leaves_nothing guard;
            std::string const text(size, 'x');
            auto const end = output_now(probe(w, "copy") | probe(w, "copy") | probe(w, "copy"), fed(text));
            CHECK_FALSE(end.error.failed());
            CHECK(end.told.statuses == std::vector<exit_status>(3, exit_status::from_raw(0)));
            CHECK(end.told.out == text);
            CHECK(end.told.err.empty());
            CHECK_FALSE(end.told.truncated);
        }
}

TEST_CASE("one stage alone is as a command")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        std::string const text = "both";
        auto const end = output_now(pipeline(probe(w, "copy-to-both")), fed(text));
        CHECK(end.told.statuses == std::vector<exit_status>(1, exit_status::from_raw(0)));
        CHECK(end.told.out == text);
        CHECK(end.told.err == text);
    }
}

TEST_CASE("standard error of the stages that do not set their own is captured together")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const line = probe(w, "write", "2", "one ") | probe(w, "write-last", "2", "two ").err(stdio::null()) |
                          probe(w, "write-last", "2", "three");
        CHECK(output_now(line).told.err == "one three");
        auto piped = line;
        CHECK(output_now(piped.err(stdio::piped())).told.err == "one three");
        auto quiet = line;
        auto const end = output_now(quiet.err(stdio::null()));
        CHECK_FALSE(end.error.failed());
        CHECK(end.told.err.empty());
        auto joined = line; // each stage's own output, so the last one's is captured
        CHECK(output_now(joined.err(stdio::same_as(1))).told.out == "three");
    }
}

TEST_CASE("a pipeline that writes more than the limit is stopped")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        std::string const text(1000, 'x');
        auto options = fed(text);
        options.limit = 10;
        auto const stopped = output_now(probe(w, "copy") | probe(w, "write-then-obey", "1000"), options);
        CHECK(stopped.error == errc::output_limit_exceeded);
        CHECK(stopped.told.out == std::string(10, 'x'));
        CHECK(stopped.told.truncated);
        CHECK(stopped.told.statuses.size() == 2);

        options.on_limit = limit_policy::discard;
        auto const cut = output_now(probe(w, "copy") | probe(w, "copy"), options);
        CHECK_FALSE(cut.error.failed());
        CHECK(cut.told.out == std::string(10, 'x'));
        CHECK(cut.told.truncated);
    }
}

TEST_CASE("a timeout stops all stages")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        output_options options;
        options.timeout = 1ms;
        auto const end = output_now(probe(w, "pause") | probe(w, "pause"), options);
        CHECK(end.error == errc::timed_out);
        REQUIRE(end.told.statuses.size() == 2);
        CHECK(end.told.statuses[0].signal() == SIGTERM);
        // Where the first one takes longer than that to start, the second one never is.
        CHECK((end.told.statuses[1].signal() == SIGTERM || end.told.statuses[1] == exit_status()));
    }
}

TEST_CASE("a pipeline that can't start tells why, and leaves nothing")
{
    for (auto const& w : all_ways())
        for (std::size_t failing : {0U, 1U, 2U}) {
            CAPTURE(w);
            CAPTURE(failing);
            leaves_nothing guard;
            std::vector<command> stages(3, probe(w, "pause"));
            stages[failing] = command("/nowhere");
            auto const end = output_now(pipeline(stages));
            CHECK(stage_of(end.error) == spawn_stage::exec);
            CHECK(end.told.statuses == std::vector<exit_status>(3));
        }
}

TEST_CASE("what nobody would read is refused")
{
    leaves_nothing guard;
    auto const line = command("true") | command("true");
    auto piped_err = line.stages();
    piped_err[0].err(stdio::piped());
    CHECK(output_now(pipeline(piped_err)).error == std::errc::invalid_argument);
    auto inner = line.stages();
    inner[0].out(stdio::piped());
    CHECK(output_now(pipeline(inner)).error == std::errc::invalid_argument);
    CHECK(output_now(pipeline(std::vector<command>())).error == std::errc::invalid_argument);
    output_options options;
    options.stop = stop_plan(-1, 1s);
    CHECK(output_now(line, options).error == std::errc::invalid_argument);
}

TEST_CASE("the overloads of async_output take pipelines too")
{
    run([]() -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const line = command("echo", "text") | command("cat");
        pipeline_output const plain = co_await async_output(ex, line);
        CHECK(plain.out == "text\n");
        output_options const options;
        auto const with_options = co_await async_output(ex, line, options, as_result);
        CHECK(with_options.value().out == "text\n");
        auto const statuses = co_await async_run(ex, command("true") | command("false"));
        CHECK(statuses.size() == 2);
        CHECK(statuses.back().code() == 1);
    }());
}

TEST_SUITE_END();
