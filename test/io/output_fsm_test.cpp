// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "io/output_fsm.hpp"

#include <doctest/doctest.h>

using namespace brood;

using brood::detail::output_fsm;
using action = output_fsm::action;

namespace {

output_fsm with_streams(int count)
{
    output_fsm fsm;
    for (int i = 0; i < count; ++i)
        fsm.stream_opened();
    return fsm;
}

error_code const aborted = boost::asio::error::operation_aborted;

} // namespace

TEST_SUITE_BEGIN("output fsm");

TEST_CASE("without a stream, the child's end is the end")
{
    output_fsm fsm;
    CHECK(fsm.child_ended({}) == action::finish);
    CHECK_FALSE(fsm.error().failed());
}

TEST_CASE("of several children, the last one's end is the end")
{
    output_fsm fsm(3);
    CHECK(fsm.child_ended({}) == action::none);
    CHECK(fsm.child_ended(errc::status_lost) == action::none);
    CHECK(fsm.cancel() == action::stop);
    CHECK(fsm.cancel() == action::kill);
    CHECK_FALSE(fsm.ended());
    CHECK(fsm.child_ended({}) == action::finish);
    CHECK(fsm.ended());
    CHECK(fsm.error() == errc::status_lost);
}

TEST_CASE("children are started until they are to end")
{
    output_fsm fsm(3);
    CHECK(fsm.may_start());

    SUBCASE("of itself")
    {
        CHECK(fsm.started(3, {}) == action::none);
        CHECK_FALSE(fsm.error().failed());
        CHECK_FALSE(fsm.start_failed());
    }
    SUBCASE("cancelled")
    {
        CHECK(fsm.cancel() == action::stop);
        CHECK_FALSE(fsm.may_start());
        CHECK(fsm.started(2, {}) == action::stop); // now it reaches them
        CHECK(fsm.child_ended({}) == action::none);
        CHECK(fsm.child_ended({}) == action::finish);
        CHECK(fsm.error() == aborted);
        CHECK_FALSE(fsm.start_failed());
    }
    SUBCASE("killed")
    {
        CHECK(fsm.end_now() == action::kill);
        CHECK_FALSE(fsm.may_start());
        CHECK(fsm.started(1, {}) == action::kill);
        CHECK(fsm.child_ended({}) == action::finish);
        CHECK_FALSE(fsm.error().failed());
    }
    SUBCASE("timed out")
    {
        CHECK(fsm.timeout() == action::stop);
        CHECK_FALSE(fsm.may_start());
        CHECK(fsm.started(1, errc::nul_byte) == action::kill);
        CHECK(fsm.child_ended({}) == action::finish);
        CHECK(fsm.error() == errc::timed_out);
    }
}

TEST_CASE("where one fails to start, the others are killed")
{
    auto fsm = with_streams(1);
    CHECK(fsm.started(2, errc::nul_byte) == action::kill);
    CHECK(fsm.start_failed());
    CHECK(fsm.child_ended({}) == action::none);
    CHECK(fsm.child_ended({}) == action::abandon);
    CHECK(fsm.stream_ended(true) == action::finish);
    CHECK(fsm.error() == errc::nul_byte);
}

TEST_CASE("where none starts, that is the end, whatever is open")
{
    auto fsm = with_streams(2);
    CHECK(fsm.started(0, errc::nul_byte) == action::finish);
    CHECK(fsm.error() == errc::nul_byte);
    CHECK(fsm.timeout() == action::none);
    CHECK(fsm.end_soon() == action::none);
}

TEST_CASE("streams that end first wait for the child")
{
    auto fsm = with_streams(2);
    CHECK(fsm.stream_ended(true) == action::none);
    CHECK(fsm.stream_ended(true) == action::none);
    CHECK(fsm.child_ended({}) == action::finish);
    CHECK_FALSE(fsm.error().failed());
}

TEST_CASE("a child that ends first waits for its streams, for a time")
{
    auto fsm = with_streams(2);
    CHECK(fsm.child_ended({}) == action::start_grace);

    SUBCASE("in time")
    {
        CHECK(fsm.stream_ended(true) == action::none);
        CHECK(fsm.stream_ended(true) == action::finish);
        CHECK_FALSE(fsm.error().failed());
        CHECK(fsm.grace_over() == action::none);
    }
    SUBCASE("too late")
    {
        CHECK(fsm.grace_over() == action::abandon);
        CHECK(fsm.stream_ended(false) == action::none);
        CHECK(fsm.stream_ended(true) == action::finish);
        CHECK(fsm.error() == errc::output_incomplete);
    }
    SUBCASE("the end was there all the time")
    {
        CHECK(fsm.grace_over() == action::abandon);
        CHECK(fsm.stream_ended(true) == action::none);
        CHECK(fsm.stream_ended(true) == action::finish);
        CHECK_FALSE(fsm.error().failed());
    }
    SUBCASE("cancelled meanwhile")
    {
        CHECK(fsm.cancel() == action::abandon);
        CHECK(fsm.cancel() == action::abandon);
        CHECK(fsm.stream_ended(false) == action::none);
        CHECK(fsm.stream_ended(false) == action::finish);
        CHECK(fsm.error() == aborted);
        CHECK(fsm.cancel() == action::none);
    }
    SUBCASE("a timeout is about the child alone")
    {
        CHECK(fsm.timeout() == action::none);
        CHECK_FALSE(fsm.error().failed());
    }
    SUBCASE("what goes wrong is told, but there is nobody to stop")
    {
        CHECK(fsm.fail(errc::output_limit_exceeded) == action::none);
        CHECK(fsm.stream_ended(true) == action::none);
        CHECK(fsm.stream_ended(true) == action::finish);
        CHECK(fsm.error() == errc::output_limit_exceeded);
    }
}

TEST_CASE("the first cancellation stops, the second kills")
{
    auto fsm = with_streams(1);
    CHECK(fsm.cancel() == action::stop);
    CHECK(fsm.cancel() == action::kill);
    CHECK(fsm.cancel() == action::kill);
    CHECK(fsm.stream_ended(true) == action::none);
    CHECK(fsm.child_ended({}) == action::finish);
    CHECK(fsm.error() == aborted);
}

TEST_CASE("a child is stopped once, and the first reason is told")
{
    auto fsm = with_streams(1);

    SUBCASE("timeout")
    {
        CHECK(fsm.timeout() == action::stop);
        CHECK(fsm.fail(errc::output_limit_exceeded) == action::none);
        CHECK(fsm.cancel() == action::none);
        CHECK(fsm.error() == errc::timed_out);
    }
    SUBCASE("limit")
    {
        CHECK(fsm.fail(errc::output_limit_exceeded) == action::stop);
        CHECK(fsm.fail(errc::output_limit_exceeded) == action::none);
        CHECK(fsm.timeout() == action::none);
        CHECK(fsm.error() == errc::output_limit_exceeded);
    }
    SUBCASE("cancellation")
    {
        CHECK(fsm.cancel() == action::stop);
        CHECK(fsm.timeout() == action::none);
        CHECK(fsm.error() == aborted);
    }
    auto const why = fsm.error();
    CHECK(fsm.child_ended(errc::status_lost) == action::start_grace);
    CHECK(fsm.grace_over() == action::abandon);
    CHECK(fsm.stream_ended(false) == action::finish);
    CHECK(fsm.error() == why);
}

TEST_CASE("one that was killed has its streams taken as they are")
{
    auto fsm = with_streams(2);

    SUBCASE("by a second cancellation")
    {
        CHECK(fsm.cancel() == action::stop);
        CHECK(fsm.cancel() == action::kill);
    }
    SUBCASE("on demand") { CHECK(fsm.end_now() == action::kill); }
    CHECK(fsm.stream_ended(true) == action::none);
    CHECK(fsm.child_ended({}) == action::abandon);
    CHECK(fsm.end_now() == action::abandon);
    CHECK(fsm.stream_ended(true) == action::finish);
    CHECK(fsm.end_now() == action::none);
}

TEST_CASE("to end on demand is no error")
{
    auto fsm = with_streams(1);
    CHECK(fsm.end_soon() == action::stop);
    CHECK(fsm.end_soon() == action::none);
    CHECK(fsm.child_ended({}) == action::start_grace);
    CHECK(fsm.end_soon() == action::none); // the grace goes on
    CHECK(fsm.stream_ended(true) == action::finish);
    CHECK_FALSE(fsm.error().failed());
}

TEST_CASE("a child that was lost is an end, too")
{
    auto fsm = with_streams(1);
    CHECK(fsm.child_ended(errc::status_lost) == action::start_grace);
    CHECK(fsm.stream_ended(true) == action::finish);
    CHECK(fsm.error() == errc::status_lost);
}

TEST_SUITE_END();
