// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/fork.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>
#include <vector>

using namespace brood::os;
using namespace std::chrono_literals;

namespace {

using std::chrono::nanoseconds;

struct retried {
    int outcome;
    int calls;
    std::vector<nanoseconds> waits;
};

// A call that finds descriptors busy `failures` times, and then gives `last`.
retried retry(int failures, int last)
{
    retried told{};
    told.outcome = retry_on_busy_descriptors(
        [&] { return told.calls++ < failures ? -EBADF : last; }, [&](nanoseconds time) { told.waits.push_back(time); });
    return told;
}

constexpr int endless = 1'000'000;

} // namespace

TEST_SUITE_BEGIN("fork");

TEST_CASE("a success or another error passes straight through")
{
    for (int const outcome : {0, 1, 4711, -EAGAIN, -ENOMEM, -ENOSYS, -EINTR, -EPERM, EBADF}) {
        CAPTURE(outcome);
        auto const told = retry(0, outcome);
        CHECK(told.outcome == outcome);
        CHECK(told.calls == 1);
        CHECK(told.waits.empty());
    }
}

TEST_CASE("a call is repeated until descriptors are no longer busy")
{
    for (int const failures : {1, 2, 7, 30}) {
        for (int const outcome : {0, 4711, -ENOMEM}) {
            CAPTURE(failures);
            CAPTURE(outcome);
            auto const told = retry(failures, outcome);
            CHECK(told.outcome == outcome);
            CHECK(told.calls == failures + 1);
            CHECK(told.waits.size() == static_cast<std::size_t>(failures));
        }
    }
}

TEST_CASE("the waits are a nanosecond, and then twice as long each time")
{
    CHECK(retry(5, 0).waits == std::vector<nanoseconds>{1ns, 2ns, 4ns, 8ns, 16ns});
}

TEST_CASE("repeating ends before a wait would last a second")
{
    auto const told = retry(endless, 0);
    CHECK(told.outcome == -EAGAIN);
    REQUIRE_FALSE(told.waits.empty());
    CHECK(told.waits.front() == 1ns);
    CHECK(told.waits.back() < 1s);
    CHECK(told.waits.back() * 2 >= 1s);
    CHECK(told.calls == static_cast<int>(told.waits.size()) + 1);
    auto const doubles = [](auto wait, auto next) { return next == wait * 2; };
    CHECK(std::equal(told.waits.begin(), told.waits.end() - 1, told.waits.begin() + 1, doubles));
}

TEST_CASE("the call after the last wait counts")
{
    int const most = static_cast<int>(retry(endless, 0).waits.size());
    CHECK(retry(most, 4711).outcome == 4711);
    CHECK(retry(most + 1, 4711).outcome == -EAGAIN);
}

TEST_SUITE_END();
