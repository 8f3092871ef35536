// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "run/group_fsm.hpp"

#include <doctest/doctest.h>

#include <optional>

using namespace brood;

using brood::detail::group_fsm;

namespace {

/// The maximum of children run, and the tickets 1, 2 and 3 are queued.
group_fsm full_group(std::size_t max_running, failure_policy on_failure = failure_policy::carry_on)
{
    group_fsm fsm(max_running, on_failure);
    for (std::size_t i = 0; i < max_running; ++i)
        CHECK(fsm.request() == group_fsm::now);
    for (group_fsm::ticket ticket : {1u, 2u, 3u}) {
        CHECK(fsm.request() == group_fsm::later);
        CHECK(fsm.enqueue(ticket));
    }
    return fsm;
}

/// Admits the next child and finishes its start.
std::optional<group_fsm::ticket> start_next(group_fsm& fsm)
{
    auto const ticket = fsm.admit();
    if (ticket)
        fsm.start_finished(*ticket);
    return ticket;
}

} // namespace

TEST_SUITE_BEGIN("group fsm");

TEST_CASE("group_fsm: children start at once until max_running children run")
{
    for (std::size_t max_running : {1u, 2u, 8u}) {
        CAPTURE(max_running);
        auto fsm = full_group(max_running);
        CHECK(fsm.running() == max_running);
        CHECK(fsm.admit() == std::nullopt);
    }
}

TEST_CASE("group_fsm: each exit admits the first child of the queue")
{
    auto fsm = full_group(2);
    CHECK_FALSE(fsm.ended(true));
    CHECK(start_next(fsm) == 1);
    CHECK(fsm.admit() == std::nullopt);
    CHECK_FALSE(fsm.ended(true));
    CHECK_FALSE(fsm.ended(true));
    CHECK(start_next(fsm) == 2);
    CHECK(start_next(fsm) == 3);
    CHECK(fsm.admit() == std::nullopt);
    CHECK(fsm.running() == 2);
}

TEST_CASE("group_fsm: a failed spawn frees its place")
{
    auto fsm = full_group(1);
    CHECK_FALSE(fsm.ended(true));
    CHECK(start_next(fsm) == 1);
    fsm.not_started();
    CHECK(start_next(fsm) == 2);
}

TEST_CASE("group_fsm: queued children start one at a time and count as running meanwhile")
{
    group_fsm fsm(3, failure_policy::carry_on);
    for (group_fsm::ticket ticket : {1u, 2u, 3u, 4u})
        CHECK(fsm.enqueue(ticket));
    CHECK(fsm.admit() == 1);
    CHECK(fsm.running() == 1);
    CHECK(fsm.admit() == std::nullopt); // places are free, but child 1 is being started
    fsm.start_finished(1);
    CHECK(fsm.admit() == 2);
    fsm.start_finished(1); // no effect: child 2 is being started
    CHECK(fsm.admit() == std::nullopt);
    fsm.start_finished(2);
    fsm.not_started();
    CHECK(fsm.running() == 1);
    CHECK(fsm.admit() == 3);
    fsm.start_finished(3);
    CHECK(fsm.admit() == 4);
    CHECK(fsm.running() == 3);
    CHECK_FALSE(fsm.idle());
}

TEST_CASE("group_fsm: a request leaves enough places for the queued children")
{
    group_fsm fsm(3, failure_policy::carry_on);
    CHECK(fsm.enqueue(1));
    CHECK(fsm.enqueue(2));
    CHECK(fsm.admit() == 1);
    CHECK(fsm.request() == group_fsm::now);
    CHECK(fsm.request() == group_fsm::later);
    fsm.start_finished(1);
    CHECK(fsm.admit() == 2);
    CHECK(fsm.running() == 3);
}

TEST_CASE("group_fsm: a withdrawn child is not admitted")
{
    auto fsm = full_group(1);
    CHECK(fsm.withdraw(1));
    CHECK_FALSE(fsm.withdraw(1));
    CHECK_FALSE(fsm.ended(true));
    CHECK(start_next(fsm) == 2);
    CHECK_FALSE(fsm.withdraw(2));
}

TEST_CASE("group_fsm: the group is idle when no child runs and the queue is empty")
{
    auto fsm = full_group(1);
    for (bool more = true; more; more = start_next(fsm).has_value()) {
        CHECK_FALSE(fsm.idle());
        CHECK_FALSE(fsm.ended(true));
    }
    CHECK(fsm.idle());
    CHECK(fsm.request() == group_fsm::now);
}

TEST_CASE("group_fsm: only with stop_rest, the first failure stops the other children")
{
    CHECK_FALSE(full_group(2, failure_policy::carry_on).ended(false));
    CHECK_FALSE(full_group(2, failure_policy::stop_rest).ended(true));
    auto fsm = full_group(3, failure_policy::stop_rest);
    CHECK(fsm.ended(false));
    CHECK(fsm.stop());
    CHECK_FALSE(fsm.ended(false)); // stopped by the group
    CHECK_FALSE(fsm.ended(false));
    CHECK(fsm.idle());
}

TEST_CASE("group_fsm: a stopped group never starts a child again")
{
    auto fsm = full_group(1);
    CHECK(fsm.stop());
    CHECK_FALSE(fsm.stop());
    CHECK_FALSE(fsm.withdraw(1));
    CHECK(fsm.request() == group_fsm::never);
    CHECK_FALSE(fsm.enqueue(4));
    CHECK_FALSE(fsm.ended(true));
    CHECK(fsm.admit() == std::nullopt);
    CHECK(fsm.idle());
    CHECK(fsm.request() == group_fsm::never);
}

TEST_SUITE_END();
