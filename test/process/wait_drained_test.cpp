// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/kill_guard.hpp"
#include "support/side_channel.hpp"
#include "support/support.hpp"
#include "support/system.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read.hpp>

#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

command captured(backend_config const& config, std::string mode)
{
    return probe(config, std::move(mode)).out(stdio::piped());
}

// A child whose output is read to the end beside an `async_wait_drained`.
struct read_by_hand {
    explicit read_by_hand(command const& cmd) : child(spawn(context, cmd).value()) {}

    void read()
    {
        asio::async_read(
            child.out(), asio::dynamic_buffer(text), [this](error_code ec, std::size_t) { read_end = ec; });
    }

    void wait(duration grace)
    {
        child.async_wait_drained(
            grace, asio::bind_cancellation_slot(cancel.slot(), [this](error_code ec, exit_status ended) {
                error = ec;
                status = ended;
            }));
    }

    asio::io_context context;
    brood::child child;
    asio::cancellation_signal cancel;
    std::string text;
    std::optional<error_code> read_end, error;
    exit_status status;
};

} // namespace

TEST_SUITE_BEGIN("wait_drained");

TEST_CASE("async_wait_drained: a descendant that holds a stream open delays the reading by the grace at most")
{
    for_each_config([](backend_config const& config) {
        for (duration grace : {duration(-1s), duration(0s), duration(30ms)}) {
            CAPTURE(grace.count());
            read_by_hand test(captured(config, "grandchild"));
            test.read();
            test.wait(grace);
            test.context.run_for(60s);
            kill_guard const grandchild{std::atoi(test.text.c_str())};
            CHECK(is_alive(grandchild.pid));
            CHECK(test.error == errc::output_incomplete);
            CHECK(test.status.success());
            CHECK(test.read_end == asio::error::operation_aborted);
            CHECK(test.child.out().is_open());
        }
    });
}

TEST_CASE("async_wait_drained: completes without error when the streams have ended, read or not")
{
    for_each_config([](backend_config const& config) {
        for (bool const reads : {true, false}) {
            CAPTURE(reads);
            read_by_hand test(probe(config, "write", "1", "text").out(stdio::piped()).err(stdio::piped()));
            if (reads)
                test.read();
            test.wait(1h);
            test.context.run_for(60s);
            CHECK(test.error == error_code());
            CHECK(test.status.success());
            if (!reads)
                asio::read(test.child.out(), asio::dynamic_buffer(test.text), *(test.read_end = error_code()));
            CHECK(test.read_end == asio::error::eof);
            CHECK(test.text == "text");
        }
    });
}

TEST_CASE("async_wait_drained: what a descendant writes within the grace is read")
{
    for_each_config([](backend_config const& config) {
        read_by_hand test(captured(config, "late-writer"));
        test.read();
        test.wait(1h);
        test.context.run_for(60s);
        CHECK(test.error == error_code());
        CHECK(test.read_end == asio::error::eof);
        CHECK(test.text == "late\n");
    });
}

TEST_CASE("async_wait_drained: streams that are closed, moved away or not piped are not waited for")
{
    for_each_config([](backend_config const& config) {
        for (int const kind : {0, 1, 2}) {
            CAPTURE(kind);
            side_channel side;
            auto cmd = probe(config, "--to=3", "grandchild").fd(3, side.child_end());
            read_by_hand test(kind == 0 ? cmd.out(stdio::null()) : cmd.out(stdio::piped()));
            kill_guard const grandchild{std::atoi(side.line().c_str())};
            auto const moved = kind == 1 ? std::optional(std::move(test.child.out())) : std::nullopt;
            if (kind == 2)
                test.child.out().close();
            test.wait(1h);
            test.context.run_for(60s);
            CHECK(test.error == error_code());
            CHECK(test.status.success());
        }
    });
}

TEST_CASE("async_wait_drained: a cancelled operation leaves the child and the reading alone")
{
    for_each_config([](backend_config const& config) {
        read_by_hand test(captured(config, "pause"));
        test.read();
        test.wait(1s);
        test.context.poll();
        test.cancel.emit(asio::cancellation_type::partial);
        test.context.poll();
        CHECK(test.error == asio::error::operation_aborted);
        CHECK_FALSE(test.read_end);
        CHECK_FALSE(test.child.try_wait().value());
        CHECK(test.child.kill());
        test.context.run_for(60s);
        CHECK(test.read_end == asio::error::eof);
    });
}

TEST_CASE("async_wait_drained: another thread may destroy the child" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        read_by_hand test(probe(config, "write", "1", "text").out(stdio::piped()));
        test.wait(1h);
        std::thread loop([&] { test.context.run_for(60s); });
        {
            auto const destroyed = std::move(test.child);
        }
        loop.join();
        CHECK(test.error == error_code());
    });
}

TEST_CASE("async_wait_drained: a second call after the end of the grace, and the default grace")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto child = spawn(co_await asio::this_coro::executor, captured(config, "grandchild")).value();
        auto const incomplete = co_await child.async_wait_drained(1ms, as_result);
        CHECK(incomplete.error() == errc::output_incomplete);
        CHECK(child.try_wait().value()->success());
        std::string pid(16, ' ');
        pid.resize(co_await child.out().async_read_some(asio::buffer(pid), asio::use_awaitable));
        ::kill(std::atoi(pid.c_str()), SIGKILL);
        CHECK((co_await child.async_wait_drained()).success());
        basic_child none(child.get_executor());
        auto const failed = co_await none.async_wait_drained(as_result);
        CHECK(failed.error() == std::errc::no_child_process);
    });
}

TEST_SUITE_END();
