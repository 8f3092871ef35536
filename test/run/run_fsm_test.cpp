// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "run/run_fsm.hpp"

#include <doctest/doctest.h>

using namespace brood;

using brood::detail::run_fsm;
using action = run_fsm::action;

namespace {

run_fsm with_streams(int count)
{
    run_fsm fsm;
    for (int i = 0; i < count; ++i)
        fsm.stream_opened();
    return fsm;
}

error_code const aborted = boost::asio::error::operation_aborted;

} // namespace

TEST_SUITE_BEGIN("run fsm");

TEST_CASE("run_fsm: without streams, finishes when the child ends")
{
    run_fsm fsm;
    CHECK(fsm.child_ended({}) == action::finish);
    CHECK_FALSE(fsm.error().failed());
}

TEST_CASE("run_fsm: finishes when the last of several children ends")
{
    run_fsm fsm(3);
    CHECK(fsm.child_ended({}) == action::none);
    CHECK(fsm.child_ended(errc::status_lost) == action::none);
    CHECK(fsm.cancel() == action::stop);
    CHECK(fsm.cancel() == action::kill);
    CHECK_FALSE(fsm.ended());
    CHECK(fsm.child_ended({}) == action::finish);
    CHECK(fsm.ended());
    CHECK(fsm.error() == errc::status_lost);
}

TEST_CASE("run_fsm: a start that has failed after all ends the operation with its error")
{
    SUBCASE("the only child")
    {
        run_fsm fsm;
        CHECK(fsm.start_failed(errc::empty_program) == action::finish);
        CHECK(fsm.error() == errc::empty_program);
    }
    SUBCASE("with streams, which nobody writes to")
    {
        auto fsm = with_streams(1);
        CHECK(fsm.start_failed(errc::empty_program) == action::abandon);
        CHECK(fsm.stream_ended(false) == action::finish);
        CHECK(fsm.error() == errc::empty_program);
    }
    SUBCASE("with other children, which are killed")
    {
        run_fsm fsm(2);
        CHECK(fsm.start_failed(errc::empty_program) == action::kill);
        CHECK(fsm.child_ended({}) == action::finish);
        CHECK(fsm.error() == errc::empty_program);
    }
    SUBCASE("after a cancellation, whose error stays")
    {
        run_fsm fsm;
        CHECK(fsm.cancel() == action::stop);
        CHECK(fsm.start_failed(errc::empty_program) == action::finish);
        CHECK(fsm.error() == aborted);
    }
}

TEST_CASE("run_fsm: children may be started until the operation stops or kills them")
{
    run_fsm fsm(3);
    CHECK(fsm.may_start());

    SUBCASE("all started")
    {
        CHECK(fsm.started(3, {}) == action::none);
        CHECK_FALSE(fsm.error().failed());
    }
    SUBCASE("cancelled")
    {
        CHECK(fsm.cancel() == action::stop);
        CHECK_FALSE(fsm.may_start());
        CHECK(fsm.started(2, {}) == action::stop); // again, because the stop takes effect only after the starts
        CHECK(fsm.child_ended({}) == action::none);
        CHECK(fsm.child_ended({}) == action::finish);
        CHECK(fsm.error() == aborted);
    }
    SUBCASE("killed")
    {
        CHECK(fsm.kill_children() == action::kill);
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

TEST_CASE("run_fsm: if a child fails to start, kills the others")
{
    auto fsm = with_streams(1);
    CHECK(fsm.started(2, errc::nul_byte) == action::kill);
    CHECK(fsm.child_ended({}) == action::none);
    CHECK(fsm.child_ended({}) == action::abandon);
    CHECK(fsm.stream_ended(true) == action::finish);
    CHECK(fsm.error() == errc::nul_byte);
}

TEST_CASE("run_fsm: if no child starts, finishes even with open streams")
{
    auto fsm = with_streams(2);
    CHECK(fsm.started(0, errc::nul_byte) == action::finish);
    CHECK(fsm.error() == errc::nul_byte);
    CHECK(fsm.timeout() == action::none);
    CHECK(fsm.stop_children() == action::none);
}

TEST_CASE("run_fsm: waits for the child when all streams have ended")
{
    auto fsm = with_streams(2);
    CHECK(fsm.stream_ended(true) == action::none);
    CHECK(fsm.stream_ended(true) == action::none);
    CHECK(fsm.child_ended({}) == action::finish);
    CHECK_FALSE(fsm.error().failed());
}

TEST_CASE("run_fsm: waits for the streams of an ended child for the drain grace")
{
    auto fsm = with_streams(2);
    CHECK(fsm.child_ended({}) == action::start_grace);

    SUBCASE("the streams end within the grace")
    {
        CHECK(fsm.stream_ended(true) == action::none);
        CHECK(fsm.stream_ended(true) == action::finish);
        CHECK_FALSE(fsm.error().failed());
        CHECK(fsm.grace_over() == action::none);
    }
    SUBCASE("a stream has not ended after the grace")
    {
        CHECK(fsm.grace_over() == action::abandon);
        CHECK(fsm.stream_ended(false) == action::none);
        CHECK(fsm.stream_ended(true) == action::finish);
        CHECK(fsm.error() == errc::output_incomplete);
    }
    SUBCASE("the last read after the grace reaches the end of the streams")
    {
        CHECK(fsm.grace_over() == action::abandon);
        CHECK(fsm.stream_ended(true) == action::none);
        CHECK(fsm.stream_ended(true) == action::finish);
        CHECK_FALSE(fsm.error().failed());
    }
    SUBCASE("a cancellation ends the grace")
    {
        CHECK(fsm.cancel() == action::abandon);
        CHECK(fsm.cancel() == action::abandon);
        CHECK(fsm.stream_ended(false) == action::none);
        CHECK(fsm.stream_ended(false) == action::finish);
        CHECK(fsm.error() == aborted);
        CHECK(fsm.cancel() == action::none);
    }
    SUBCASE("the timeout has no effect on the streams")
    {
        CHECK(fsm.timeout() == action::none);
        CHECK_FALSE(fsm.error().failed());
    }
    SUBCASE("an error is reported, but no child is left to be stopped")
    {
        CHECK(fsm.fail(errc::output_limit_exceeded) == action::none);
        CHECK(fsm.stream_ended(true) == action::none);
        CHECK(fsm.stream_ended(true) == action::finish);
        CHECK(fsm.error() == errc::output_limit_exceeded);
    }
}

TEST_CASE("run_fsm: the first cancellation stops the child, the second one kills it")
{
    auto fsm = with_streams(1);
    CHECK(fsm.cancel() == action::stop);
    CHECK(fsm.cancel() == action::kill);
    CHECK(fsm.cancel() == action::kill);
    CHECK(fsm.stream_ended(true) == action::none);
    CHECK(fsm.child_ended({}) == action::finish);
    CHECK(fsm.error() == aborted);
}

TEST_CASE("run_fsm: stops a child once and reports the first error")
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
    auto const first_error = fsm.error();
    CHECK(fsm.child_ended(errc::status_lost) == action::start_grace);
    CHECK(fsm.grace_over() == action::abandon);
    CHECK(fsm.stream_ended(false) == action::finish);
    CHECK(fsm.error() == first_error);
}

TEST_CASE("run_fsm: does not wait for the streams of a killed child")
{
    auto fsm = with_streams(2);

    SUBCASE("by a second cancellation")
    {
        CHECK(fsm.cancel() == action::stop);
        CHECK(fsm.cancel() == action::kill);
    }
    SUBCASE("by kill_children") { CHECK(fsm.kill_children() == action::kill); }
    CHECK(fsm.stream_ended(true) == action::none);
    CHECK(fsm.child_ended({}) == action::abandon);
    CHECK(fsm.kill_children() == action::abandon);
    CHECK(fsm.stream_ended(true) == action::finish);
    CHECK(fsm.kill_children() == action::none);
}

TEST_CASE("run_fsm: stop_children is not an error")
{
    auto fsm = with_streams(1);
    CHECK(fsm.stop_children() == action::stop);
    CHECK(fsm.stop_children() == action::none);
    CHECK(fsm.child_ended({}) == action::start_grace);
    CHECK(fsm.stop_children() == action::none); // does not end the grace
    CHECK(fsm.stream_ended(true) == action::finish);
    CHECK_FALSE(fsm.error().failed());
}

TEST_CASE("run_fsm: a child whose status was lost has ended")
{
    auto fsm = with_streams(1);
    CHECK(fsm.child_ended(errc::status_lost) == action::start_grace);
    CHECK(fsm.stream_ended(true) == action::finish);
    CHECK(fsm.error() == errc::status_lost);
}

TEST_CASE("run_fsm: the error of a child that cannot be signalled replaces an earlier one")
{
    namespace sys = boost::system::errc;
    for (auto const error : {make_error_code(sys::operation_not_permitted), make_error_code(sys::permission_denied)}) {
        run_fsm fsm;
        CHECK(fsm.started(1, {}) == action::none);
        CHECK(fsm.timeout() == action::stop);
        fsm.child_unreachable(error);
        CHECK(fsm.child_ended(error) == action::finish);
        CHECK(fsm.error() == error);
    }
}

TEST_SUITE_END();
