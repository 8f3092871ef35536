// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>

#include <signal.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("run");

TEST_CASE("async_run: completes with the exit status after the child has been reaped")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        CHECK((co_await async_run(ex, probe(config, "exit", "0"))).success());
        CHECK((co_await async_run(ex, probe(config, "exit", "21"))).code() == 21);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("async_run: completes with the error of the spawn")
{
    auto configs = all_configs();
    configs.push_back({spawn_backend::automatic, exit_watcher::automatic});
    for_each(configs, [](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const with_config = [&](command cmd) { return cmd.backend(config.backend).watcher(config.watcher); };
        auto const missing = co_await async_run(ex, with_config(command("/nowhere")), as_result);
        CHECK(stage_of(missing.error()) == spawn_stage::exec);
        auto const piped = co_await async_run(ex, with_config(command("true").out(stdio::piped())), as_result);
        CHECK(piped.error() == std::errc::invalid_argument);
        CHECK(piped.error() == errc::unexpected_pipe);
    });
}

TEST_CASE("async_run: the timeout and the stop plan of the options apply")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const pause = probe(config, "pause").out(stdio::null());
        auto const run = [&](auto what, run_options options) {
            return async_run(ex, std::move(what), std::move(options), asio::as_tuple(asio::deferred));
        };
        auto const [error, status] = co_await run(pause, run_options().timeout(50ms).stop(stop_plan(SIGINT, 1h)));
        CHECK(error == errc::timed_out);
        CHECK(status.signal() == SIGINT);

        auto const ends = co_await run(probe(config, "exit", "3"), run_options().timeout(1h));
        CHECK_FALSE(std::get<0>(ends).failed());
        CHECK(std::get<1>(ends).code() == 3);

        auto const invalid = co_await run(pause, run_options().stop(stop_plan(1000, 1s)));
        CHECK(std::get<0>(invalid) == std::errc::invalid_argument);

        auto const [line_error, statuses] =
            co_await run(probe(config, "pause") | pause, run_options().timeout(50ms).stop(stop_plan(SIGINT, 1h)));
        CHECK(line_error == errc::timed_out);
        REQUIRE(statuses.size() == 2);
        CHECK(statuses[0].signal() == SIGINT);
        CHECK((statuses[1].signal() == SIGINT || statuses[1] == exit_status())); // started in time, or not at all
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("async_run: a cancellation stops the child and completes when it is reaped")
{
    for (auto type :
         {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
        CAPTURE(static_cast<unsigned>(type));
        for_each_config([&](backend_config const& config) {
            asio::io_context context;
            asio::cancellation_signal cancel;
            std::optional<error_code> error;
            exit_status status;
            auto cmd = probe(config, "pause");
            async_run(
                context, cmd.out(stdio::null()),
                asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, exit_status result) {
                    error = ec;
                    status = result;
                    CHECK_FALSE(has_children());
                }));
            context.poll();
            cancel.emit(type);
            CHECK_FALSE(error);
            context.run_for(60s);
            CHECK(error == error_code(asio::error::operation_aborted));
            CHECK(status.signal() == SIGTERM);
        });
    }
}

TEST_CASE("async_run: a cancellation of the type none has no effect")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        asio::cancellation_signal cancel;
        std::optional<error_code> result;
        exit_status status;
        async_run(
            context, command("sleep", "0.05").backend(config.backend).watcher(config.watcher),
            asio::bind_cancellation_slot(cancel.slot(), [&](error_code error, exit_status ended) {
                result = error;
                status = ended;
            }));
        cancel.emit(asio::cancellation_type::none);
        context.run_for(60s);
        CHECK(result == error_code());
        CHECK(status.success());
    });
}

TEST_CASE("async_run: a second cancellation kills the child at once")
{
    for_each_config([](backend_config const& config) {
        scratch_folder folder;
        auto cmd = probe(config, "ignore", std::to_string(SIGTERM));
        cmd.out(stdio::file(folder.path("out"), open_mode::write));
        asio::io_context context;
        asio::cancellation_signal cancel;
        std::optional<int> signal;
        async_run(context, cmd, asio::bind_cancellation_slot(cancel.slot(), [&](error_code, exit_status status) {
                      signal = status.signal();
                  }));
        REQUIRE(eventually([&] { return folder.read("out") == "ready\n"; }));
        cancel.emit(asio::cancellation_type::terminal);
        context.poll();
        CHECK_FALSE(signal); // the child ignores SIGTERM
        cancel.emit(asio::cancellation_type::terminal);
        context.run_for(60s);
        CHECK(signal == SIGKILL);
    });
}

TEST_CASE("async_run: leaves no child if another operation of operator|| completes first")
{
    using namespace asio::experimental::awaitable_operators;
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        asio::steady_timer timer(ex, 1ms);
        auto cmd = probe(config, "pause");
        cmd.out(stdio::null());
        auto const first = co_await (async_run(ex, cmd, asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
        CHECK(first.index() == 1);
        CHECK_FALSE(has_children());
    });
}

TEST_SUITE_END();
