// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_operation.hpp"

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

struct completion {
    error_code error;
    pipeline_output result;
};

completion run_to_end(pipeline const& line, output_options const& options = {})
{
    running_pipeline_output op(line, options);
    op.finish();
    return {op.error, std::move(op.result)};
}

output_options with_input(std::string const& text)
{
    output_options options;
    options.input(asio::buffer(text));
    return options;
}

} // namespace

TEST_SUITE_BEGIN("pipeline output");

TEST_CASE("async_output: writes the input to the first stage and captures the output of the last stage")
{
    for (std::size_t size : {std::size_t(0), std::size_t(10), std::size_t(5'000'000)}) {
        CAPTURE(size);
        for_each_config([&](backend_config const& config) {
            std::string const text(size, 'x');
            auto const copies = probe(config, "copy") | probe(config, "copy") | probe(config, "copy");
            auto const completed = run_to_end(copies, with_input(text));
            auto const& result = completed.result;
            CHECK_FALSE(completed.error.failed());
            CHECK(result.statuses == std::vector<exit_status>(3, exit_status::from_raw(0)));
            CHECK(result.out == text);
            CHECK(result.err.empty());
            CHECK_FALSE(result.truncated);
        });
    }
}

TEST_CASE("async_output: a pipeline of one stage captures both streams, as a command does")
{
    for_each_config([](backend_config const& config) {
        std::string const text = "both";
        auto const result = run_to_end(pipeline(probe(config, "copy-to-both")), with_input(text)).result;
        CHECK(result.statuses == std::vector<exit_status>(1, exit_status::from_raw(0)));
        CHECK(result.out == text);
        CHECK(result.err == text);
    });
}

TEST_CASE("async_output: captures standard error of all stages that do not set it")
{
    for_each_config([](backend_config const& config) {
        auto const line = probe(config, "write", "2", "one ") |
                          probe(config, "write-last", "2", "two ").err(stdio::null()) |
                          probe(config, "write-last", "2", "three");
        CHECK(run_to_end(line).result.err == "one three");
        auto piped = line;
        CHECK(run_to_end(piped.err(stdio::piped())).result.err == "one three");
        auto quiet = line;
        auto const discarded = run_to_end(quiet.err(stdio::null()));
        CHECK_FALSE(discarded.error.failed());
        CHECK(discarded.result.err.empty());
        auto joined = line; // to each stage's own output, of which only the last one is captured
        CHECK(run_to_end(joined.err(stdio::same_as(1))).result.out == "three");
    });
}

TEST_CASE("async_output: a pipeline that exceeds the limit is stopped or its data is discarded, as the policy says")
{
    for_each_config([](backend_config const& config) {
        std::string const text(1000, 'x');
        auto options = with_input(text);
        options.limit(10);
        auto const stopped = run_to_end(probe(config, "copy") | probe(config, "write-then-obey", "1000"), options);
        CHECK(stopped.error == errc::output_limit_exceeded);
        CHECK(stopped.result.out == std::string(10, 'x'));
        CHECK(stopped.result.truncated);
        CHECK(stopped.result.statuses.size() == 2);

        options.limit(10, limit_policy::discard);
        auto const discarded = run_to_end(probe(config, "copy") | probe(config, "copy"), options);
        CHECK_FALSE(discarded.error.failed());
        CHECK(discarded.result.out == std::string(10, 'x'));
        CHECK(discarded.result.truncated);
    });
}

TEST_CASE("async_output: a timeout stops all stages")
{
    for_each_config([](backend_config const& config) {
        output_options options;
        options.timeout(1ms);
        auto const completed = run_to_end(probe(config, "pause") | probe(config, "pause"), options);
        CHECK(completed.error == errc::timed_out);
        auto const& statuses = completed.result.statuses;
        REQUIRE(statuses.size() == 2);
        CHECK(statuses[0].signal() == SIGTERM);
        // If the start of the first stage takes longer than the timeout, the second stage is not started.
        CHECK((statuses[1].signal() == SIGTERM || statuses[1] == exit_status()));
    });
}

TEST_CASE("async_output: if a stage cannot be started, completes with its error and the statuses of the killed stages")
{
    for (std::size_t failing : {0u, 1u, 2u}) {
        CAPTURE(failing);
        for_each_config([&](backend_config const& config) {
            // A stage that writes may receive SIGPIPE first: its reader is the stage that cannot be started.
            std::vector<command> stages(3, probe(config, "--to=9", "pause").fd(9, stdio::null()));
            stages[failing] = command("/nowhere");
            auto const completed = run_to_end(pipeline(stages));
            CHECK(stage_of(completed.error) == spawn_stage::exec);
            auto const& statuses = completed.result.statuses;
            REQUIRE(statuses.size() == 3);
            for (std::size_t i = 0; i < statuses.size(); ++i)
                CHECK(statuses[i].signal() == (i < failing ? std::optional(SIGKILL) : std::nullopt));
        });
    }
}

TEST_CASE("async_output: pipes without a reader, empty pipelines and invalid options are refused")
{
    leak_check const leaks;
    auto const line = command("true") | command("true");
    auto piped_err = line.stages();
    piped_err[0].err(stdio::piped());
    CHECK(run_to_end(pipeline(piped_err)).error == std::errc::invalid_argument);
    auto piped_inner = line.stages();
    piped_inner[0].out(stdio::piped());
    CHECK(run_to_end(pipeline(piped_inner)).error == std::errc::invalid_argument);
    CHECK(run_to_end(pipeline(std::vector<command>())).error == std::errc::invalid_argument);
    output_options options;
    options.stop(stop_plan(-1, 1s));
    CHECK(run_to_end(line, options).error == std::errc::invalid_argument);
}

TEST_CASE("async_output: all overloads accept pipelines")
{
    auto configs = all_configs();
    configs.push_back({spawn_backend::automatic, exit_watcher::automatic});
    for_each(configs, [](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const with_config = [&](command cmd) { return cmd.backend(config.backend).watcher(config.watcher); };
        auto const line = with_config(command("echo", "text")) | with_config(command("cat"));
        pipeline_output const plain = co_await async_output(ex, line);
        CHECK(plain.out == "text\n");
        output_options const options;
        auto const with_options = co_await async_output(ex, line, options, as_result);
        CHECK(with_options.value().out == "text\n");
        auto const statuses = co_await async_run(ex, with_config(command("true")) | with_config(command("false")));
        CHECK(statuses.size() == 2);
        CHECK(statuses.back().code() == 1);
    });
}

TEST_SUITE_END();
