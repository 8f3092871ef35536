// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/write.hpp>

#include <optional>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

command with_pipes(backend_config const& config, char const* action)
{
    return probe(config, action).in(stdio::piped()).out(stdio::piped()).err(stdio::piped());
}

} // namespace

TEST_SUITE_BEGIN("child output");

TEST_CASE("child.async_output: feeds and captures a child that already runs")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = spawn(ex, with_pipes(config, "copy-to-both")).value();
        co_await asio::async_write(child.in(), asio::buffer("a", 1), asio::use_awaitable);
        std::string const text(300'000, 'x');
        auto const result = co_await child.async_output(output_options().input(text));
        CHECK(result.status.success());
        CHECK(result.out == "a" + text);
        CHECK(result.err == "a" + text);
        CHECK(result.usage);
        CHECK_FALSE(child.in().is_open());
        CHECK_FALSE(child.out().is_open());
        CHECK(child.wait().value().success()); // the object still belongs to the caller

        auto silent = spawn(ex, with_pipes(config, "copy")).value();
        CHECK((co_await silent.async_output()).out.empty()); // its input is closed

        auto plain = spawn(ex, probe(config, "exit", "3")).value();
        CHECK((co_await plain.async_output()).status.code() == 3);
    });
}

TEST_CASE("child.async_output: a deferred operation may start after the child has been converted")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto typed = spawn(context, probe(config, "write", "1", "text").out(stdio::piped())).value();
        auto deferred = typed.async_output(asio::deferred);
        child converted = std::move(typed);
        std::optional<std::string> text;
        std::move(deferred)([&](error_code, output result) { text = result.out; });
        context.run_for(60s);
        CHECK(text == "text");
        CHECK_FALSE(converted.out().is_open());
    });
}

TEST_CASE("child.async_output: the options apply, and those without effect are errors that lose nothing")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const options = output_options().timeout(50ms).stop(stop_plan(SIGUSR1, 1h));
        auto pausing = spawn(ex, probe(config, "pause").out(stdio::piped())).value();
        auto const [error, result] = co_await pausing.async_output(options, asio::as_tuple(asio::deferred));
        CHECK(error == errc::timed_out);
        CHECK(result.status.signal() == SIGUSR1); // SIGINT may be ignored

        auto child = spawn(ex, probe(config, "pause").out(stdio::piped())).value();
        auto const ignore = [](std::string_view) {};
        for (auto const& wrong :
             {output_options().input("text"), output_options().on_err(ignore), output_options().stop({1000, 1s})}) {
            auto const failed = co_await child.async_output(wrong, asio::as_tuple(asio::deferred));
            CHECK(std::get<0>(failed) == std::errc::invalid_argument);
        }
        CHECK(child.out().is_open());
        CHECK_FALSE(child.try_wait().value());
        ::kill(child.id(), SIGKILL);
        CHECK((co_await child.async_output()).status.signal() == SIGKILL);

        auto writer = spawn(ex, probe(config, "write", "1", "text").out(stdio::piped())).value();
        std::string lines;
        auto const collect = [&](std::string_view line) { lines += line; };
        CHECK((co_await writer.async_output(output_options().on_out_line(collect))).status.success());
        CHECK(lines == "text");

        basic_child none(ex);
        auto const failed = co_await none.async_output(asio::as_tuple(asio::deferred));
        CHECK(std::get<0>(failed) == std::errc::no_child_process);
    });
}

TEST_CASE("child.async_output: a cancellation stops the child, and the object may be destroyed")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto child = std::make_unique<brood::child>(spawn(context, probe(config, "pause").out(stdio::piped())).value());
        asio::cancellation_signal cancel;
        std::optional<error_code> error;
        auto const store = [&](error_code ec, output) { error = ec; };
        child->async_output(output_options(), asio::bind_cancellation_slot(cancel.slot(), store));
        context.poll();
        cancel.emit(asio::cancellation_type::total);
        context.run_for(60s);
        CHECK(error == asio::error::operation_aborted);
        CHECK_FALSE(has_children());

        child = std::make_unique<brood::child>(spawn(context, probe(config, "pause").out(stdio::piped())).value());
        exit_status status;
        child->async_output([&](error_code, output result) { status = result.status; });
        child.reset(); // kills
        context.restart();
        context.run_for(60s);
        CHECK(status.signal() == SIGKILL);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("child.async_output: with the event loop, the operation is destroyed and the child is left to its object")
{
    for_each_config([](backend_config const& config) {
        auto const token = std::make_shared<int>();
        std::optional<child> survivor;
        {
            asio::io_context context;
            survivor = spawn(context, probe(config, "pause").in(stdio::piped()).out(stdio::null())).value();
            survivor->async_output([token](error_code, output) {});
            context.poll();
        }
        CHECK(token.use_count() == 1);
        CHECK_FALSE(survivor->try_wait().value());
        CHECK(survivor->kill());
        CHECK(survivor->wait().value().signal() == SIGKILL);
    });
}

TEST_SUITE_END();
