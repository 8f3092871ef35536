// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

// A child that has said that it is ready for what comes.
asio::awaitable<child> ready(command cmd)
{
    auto started = spawn(co_await asio::this_coro::executor, cmd.out(stdio::piped())).value();
    CHECK(co_await read_line(started.out()) == "ready");
    co_return started;
}

std::string number(int n) { return std::to_string(n); }

} // namespace

TEST_SUITE_BEGIN("kill");

TEST_CASE("async_kill ends a child and waits for it")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto child = co_await ready(probe(by, "ignore", number(SIGTERM)));
            CHECK((co_await child.async_kill()).signal() == SIGKILL);
        }(w));
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("after the end kill succeeds and signal finds no process")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto child = spawn(context, probe(w, "exit", "0")).value();
        CHECK(child.wait());
        CHECK(child.kill());
        CHECK(child.signal(SIGTERM).error() == std::errc::no_such_process);
        CHECK(child.signal_group(SIGTERM).error() == std::errc::no_such_process);
        CHECK(child.signal(0).error() == std::errc::no_such_process);
    }
}

TEST_CASE("a child that has ended but was not waited for counts as ended, and keeps its status")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto child = spawn(context, probe(w, "exit", "8")).value();
        REQUIRE(eventually([&] { return !is_alive(child.id()); }));
        CHECK(child.signal(SIGTERM).error() == std::errc::no_such_process);
        CHECK(child.kill());
        CHECK(child.wait().value().code() == 8);
    }
}

TEST_CASE("signal sends, 0 asks, and a number out of range is refused")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto child = co_await ready(probe(by, "exit-on", number(SIGUSR1), "33"));
            CHECK(child.signal(0));
            for (int bad : {-1, 65, 1000, -SIGKILL})
                CHECK(child.signal(bad).error() == std::errc::invalid_argument);
            CHECK(is_alive(child.id()));
            CHECK(child.signal(SIGUSR1));
            CHECK((co_await child.async_wait()).code() == 33);
        }(w));
    }
}

TEST_CASE("async_stop asks first")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto polite = co_await ready(probe(by, "exit-on", number(SIGTERM), "12"));
            CHECK((co_await polite.async_stop()).code() == 12);

            auto deaf = co_await ready(probe(by, "ignore", number(SIGTERM)));
            CHECK((co_await deaf.async_stop(stop_plan(SIGTERM, 10ms))).signal() == SIGKILL);
            result<exit_status> const again = co_await deaf.async_stop(as_result);
            CHECK(again.value().signal() == SIGKILL);

            auto picky = co_await ready(probe(by, "exit-on", number(SIGUSR2), "13"));
            CHECK(picky.signal(SIGCONT));
            auto const plan = stop_plan(SIGCONT, 1ms).then(SIGWINCH, 1ms).then(SIGUSR2, 60s);
            CHECK((co_await picky.async_stop(plan)).code() == 13);

            auto doomed = co_await ready(probe(by, "ignore", number(SIGTERM)));
            CHECK((co_await doomed.async_stop(stop_plan(std::vector<stop_step>()))).signal() == SIGKILL);
        }(w));
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("async_stop refuses a plan with a number that is no signal")
{
    run([]() -> asio::awaitable<void> {
        auto child = co_await ready(probe(all_ways().front(), "ignore", number(SIGTERM)));
        auto const r = co_await child.async_stop(stop_plan(1234, 1s), as_result);
        CHECK(r.error() == std::errc::invalid_argument);
        CHECK(is_alive(child.id()));
    }());
}

TEST_CASE("a cancelled async_stop sends nothing more")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        std::optional<child> deaf;
        run_on(context, [](way by, std::optional<child>& c) -> asio::awaitable<void> {
            c = co_await ready(probe(by, "ignore", number(SIGTERM)));
        }(w, deaf));
        asio::cancellation_signal cancel;
        std::optional<error_code> told;
        deaf->async_stop(
            stop_plan(SIGTERM, 50ms),
            asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, exit_status) { told = ec; }));
        cancel.emit(asio::cancellation_type::terminal);
        context.restart();
        context.run_for(60s); // to its end: no timer and no wait is left
        CHECK(told == error_code(asio::error::operation_aborted));
        CHECK(is_alive(deaf->id()));
    }
}

TEST_CASE("signals to the group reach a grandchild, and so does async_stop")
{
    for (auto const& w : all_ways())
        for (bool stop : {false, true}) {
            CAPTURE(w);
            CAPTURE(stop);
            run([](way by, bool by_stop) -> asio::awaitable<void> {
                auto cmd = probe(by, "family");
                cmd.process_group().out(stdio::piped());
                auto child = spawn(co_await asio::this_coro::executor, cmd).value();
                pid_t const grandchild = std::stoi(co_await read_line(child.out()));
                CHECK(is_alive(grandchild));
                if (by_stop) {
                    CHECK((co_await child.async_stop()).signal() == SIGTERM);
                } else {
                    CHECK(child.signal_group(SIGUSR1));
                    CHECK((co_await child.async_wait()).signal() == SIGUSR1);
                }
                CHECK(eventually([&] { return !is_alive(grandchild); }));
            }(w, stop));
        }
}

TEST_CASE("without a group of its own, signal_group reaches the child alone")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto child = co_await ready(probe(by, "pause"));
            CHECK(child.signal_group(SIGUSR1)); // which would end this process, too
            CHECK((co_await child.async_wait()).signal() == SIGUSR1);
        }(w));
    }
}

TEST_SUITE_END();
