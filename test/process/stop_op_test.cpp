// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/stop_op.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <vector>

#include <signal.h>

using namespace brood;
using namespace brood::detail;
using namespace std::chrono_literals;

namespace {

class recording_target final : public stop_target {
public:
    bool has_ended() const override { return false; }
    bool send_stop_signal(int signal) override
    {
        all.push_back(signal);
        if (signal != SIGCONT)
            signals.push_back(signal);
        return true;
    }

    std::vector<int> all;
    std::vector<int> signals; // without SIGCONT
};

} // namespace

TEST_SUITE_BEGIN("stopper");

TEST_CASE("stopper: continues the child after each signal that does not stop it")
{
    auto const sent = [](int signal) {
        asio::io_context context;
        strand_timer timer(asio::make_strand(asio::any_io_executor(context.get_executor())));
        recording_target target;
        stopper stop(stop_plan(signal, 1h), timer, target);
        stop.advance(std::make_shared<int>());
        timer.cancel();
        return target.all;
    };
    CHECK(sent(SIGTERM) == std::vector{SIGTERM, SIGCONT});
    CHECK(sent(SIGUSR1) == std::vector{SIGUSR1, SIGCONT});
    for (int alone : {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGKILL})
        CHECK(sent(alone) == std::vector{alone});
    CHECK(sent(0).empty());
}

TEST_CASE("stopper: sends the signals of the plan, then SIGKILL")
{
    asio::io_context context;
    strand_timer timer(asio::make_strand(asio::any_io_executor(context.get_executor())));
    recording_target target;
    stopper stop(stop_plan(std::vector<stop_step>{{SIGINT, 1ms}, {SIGTERM, 1ms}}), timer, target);
    stop.advance(std::make_shared<int>());
    CHECK(target.signals == std::vector{SIGINT});
    context.run();
    CHECK(target.signals == std::vector{SIGINT, SIGTERM, SIGKILL});
}

// A run stops its children during their start and again after it, with the same timer.
TEST_CASE("stopper: a plan that begins again ignores the grace period that has just expired")
{
    asio::io_context context;
    strand_timer timer(asio::make_strand(asio::any_io_executor(context.get_executor())));
    recording_target target;
    std::optional<stopper> stop;
    auto const begin = [&](std::chrono::milliseconds grace) {
        stop.emplace(stop_plan(SIGTERM, grace), timer, target);
        stop->advance(std::make_shared<int>());
    };
    // Both timers have expired when the context runs: the handler of the grace period is queued behind this one.
    asio::steady_timer first(context, asio::steady_timer::time_point());
    first.async_wait([&](error_code) { begin(1h); });
    begin(0ms);
    context.run_for(50ms);
    CHECK(target.signals == std::vector{SIGTERM, SIGTERM});
    timer.cancel();
    context.run();
}

TEST_SUITE_END();
