// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/raw.hpp"
#include "spawn/child_side.hpp"
#include "spawn/report_channel.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <unistd.h>

using namespace brood;
using namespace brood::detail;

namespace {

wire_report complete_report(spawn_stage stage, int error)
{
    wire_report report{{error, stage}, {}};
    std::memcpy(report.footer, wire_report::mark, sizeof report.footer);
    return report;
}

// Creates a channel, sends the bytes as the child does and returns the outcome.
report_channel::outcome read_after(void const* message, std::size_t size)
{
    auto channel = report_channel::create(plan()).value();
    if (size > 0)
        REQUIRE(::write(channel.child_end(), message, size) == static_cast<ssize_t>(size));
    channel.close_child_end();
    return channel.read();
}

} // namespace

TEST_SUITE_BEGIN("report_channel");

TEST_CASE("report_channel: closing the child's end without a message reports success")
{
    auto const outcome = read_after(nullptr, 0);
    CHECK_FALSE(outcome.failure.failed());
    CHECK_FALSE(outcome.pidfd);
}

TEST_CASE("report_channel: a complete message reports the stage and the error")
{
    auto const report = complete_report(spawn_stage::directory, ENOTDIR);
    auto const outcome = read_after(&report, sizeof report);
    CHECK(outcome.reported);
    CHECK(stage_of(outcome.failure) == spawn_stage::directory);
    CHECK(outcome.failure == std::errc::not_a_directory);
}

TEST_CASE("report_channel: a short or odd message is an error that the child has not reported")
{
    auto const good = complete_report(spawn_stage::exec, ENOENT);
    auto odd = good;
    odd.footer[3] = '?';
    for (auto const& message : {std::pair(good, std::size_t(2)), {good, sizeof good - 1}, {odd, sizeof odd}}) {
        CAPTURE(message.second);
        auto const outcome = read_after(&message.first, message.second);
        CHECK_FALSE(outcome.reported);
        CHECK(outcome.failure == std::errc::protocol_error);
        CHECK(stage_of(outcome.failure) == spawn_stage::clone);
    }
}

TEST_CASE("report_channel: a message of one byte passes the pidfd and is not the end")
{
    auto const report = complete_report(spawn_stage::exec, EACCES);
    auto channel = report_channel::create(plan()).value();
    os::raw::send_own_pidfd(channel.child_end());
    REQUIRE(::write(channel.child_end(), &report, sizeof report) == sizeof report);
    channel.close_child_end();
    auto const outcome = channel.read();
    CHECK(outcome.reported);
    CHECK(outcome.failure == std::errc::permission_denied);
}

TEST_CASE("report_channel: the child's end is above every descriptor that the plan sets up")
{
    plan p;
    p.highest_target = 200;
    auto const channel = report_channel::create(p).value();
    CHECK(channel.child_end() > 200);
}

TEST_SUITE_END();
