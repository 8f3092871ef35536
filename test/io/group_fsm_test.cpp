// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "io/group_fsm.hpp"

#include <doctest/doctest.h>

#include <optional>

using namespace brood;

using brood::detail::group_fsm;

namespace {

/// A group that is full, with tickets 1, 2 and 3 waiting.
group_fsm full(std::size_t limit, failure_policy on_failure = failure_policy::carry_on)
{
    group_fsm fsm(limit, on_failure);
    for (std::size_t i = 0; i < limit; ++i)
        CHECK(fsm.request() == group_fsm::now);
    for (group_fsm::ticket ticket : {1u, 2u, 3u}) {
        CHECK(fsm.request() == group_fsm::later);
        CHECK(fsm.wait(ticket));
    }
    return fsm;
}

/// Who comes next, and is started at once.
std::optional<group_fsm::ticket> started(group_fsm& fsm)
{
    auto const who = fsm.admit();
    if (who)
        fsm.start_over(*who);
    return who;
}

} // namespace

TEST_SUITE_BEGIN("group fsm");

TEST_CASE("children start at once until the limit is reached")
{
    for (std::size_t limit : {1u, 2u, 8u}) {
        CAPTURE(limit);
        auto fsm = full(limit);
        CHECK(fsm.running() == limit);
        CHECK(fsm.admit() == std::nullopt);
    }
}

TEST_CASE("each end admits one, first come, first served")
{
    auto fsm = full(2);
    CHECK_FALSE(fsm.ended(true));
    CHECK(started(fsm) == 1);
    CHECK(fsm.admit() == std::nullopt);
    CHECK_FALSE(fsm.ended(true));
    CHECK_FALSE(fsm.ended(true));
    CHECK(started(fsm) == 2);
    CHECK(started(fsm) == 3);
    CHECK(fsm.admit() == std::nullopt);
    CHECK(fsm.running() == 2);
}

TEST_CASE("a spawn that fails makes room for the next")
{
    auto fsm = full(1);
    CHECK_FALSE(fsm.ended(true));
    CHECK(started(fsm) == 1);
    fsm.not_started();
    CHECK(started(fsm) == 2);
}

TEST_CASE("they are started one at a time, in their order, and count as running meanwhile")
{
    group_fsm fsm(3, failure_policy::carry_on);
    for (group_fsm::ticket ticket : {1u, 2u, 3u, 4u})
        CHECK(fsm.wait(ticket));
    CHECK(fsm.admit() == 1);
    CHECK(fsm.running() == 1);
    CHECK(fsm.admit() == std::nullopt); // there is room, but one is being started
    fsm.start_over(1);
    CHECK(fsm.admit() == 2);
    fsm.start_over(1); // it is another one now
    CHECK(fsm.admit() == std::nullopt);
    fsm.start_over(2);
    fsm.not_started();
    CHECK(fsm.running() == 1);
    CHECK(fsm.admit() == 3);
    fsm.start_over(3);
    CHECK(fsm.admit() == 4);
    CHECK(fsm.running() == 3);
    CHECK_FALSE(fsm.idle());
}

TEST_CASE("one that does not wait takes no place of those that do")
{
    group_fsm fsm(3, failure_policy::carry_on);
    CHECK(fsm.wait(1));
    CHECK(fsm.wait(2));
    CHECK(fsm.admit() == 1);
    CHECK(fsm.request() == group_fsm::now);
    CHECK(fsm.request() == group_fsm::later);
    fsm.start_over(1);
    CHECK(fsm.admit() == 2);
    CHECK(fsm.running() == 3);
}

TEST_CASE("one that gives up waiting is passed over")
{
    auto fsm = full(1);
    CHECK(fsm.withdraw(1));
    CHECK_FALSE(fsm.withdraw(1));
    CHECK_FALSE(fsm.ended(true));
    CHECK(started(fsm) == 2);
    CHECK_FALSE(fsm.withdraw(2));
}

TEST_CASE("a group is idle when none runs and none waits")
{
    auto fsm = full(1);
    for (bool more = true; more; more = started(fsm).has_value()) {
        CHECK_FALSE(fsm.idle());
        CHECK_FALSE(fsm.ended(true));
    }
    CHECK(fsm.idle());
    CHECK(fsm.request() == group_fsm::now);
}

TEST_CASE("a failure stops the rest only where that is asked for")
{
    CHECK_FALSE(full(2, failure_policy::carry_on).ended(false));
    CHECK_FALSE(full(2, failure_policy::stop_rest).ended(true));
    auto fsm = full(3, failure_policy::stop_rest);
    CHECK(fsm.ended(false));
    CHECK(fsm.stop());
    CHECK_FALSE(fsm.ended(false)); // it was told to
    CHECK_FALSE(fsm.ended(false));
    CHECK(fsm.idle());
}

TEST_CASE("a stopped group starts nobody, for good")
{
    auto fsm = full(1);
    CHECK(fsm.stop());
    CHECK_FALSE(fsm.stop());
    CHECK_FALSE(fsm.withdraw(1));
    CHECK(fsm.request() == group_fsm::never);
    CHECK_FALSE(fsm.wait(4));
    CHECK_FALSE(fsm.ended(true));
    CHECK(fsm.admit() == std::nullopt);
    CHECK(fsm.idle());
    CHECK(fsm.request() == group_fsm::never);
}

TEST_SUITE_END();
