// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/stop_fsm.hpp"

#include <doctest/doctest.h>

#include <ostream>

using namespace brood;
using namespace std::chrono_literals;

using brood::detail::stop_fsm;

namespace {

constexpr auto running = stop_fsm::running;
constexpr auto ended = stop_fsm::ended;

std::vector<stop_step> const three{{SIGINT, 1s}, {SIGTERM, 2s}, {SIGQUIT, 3s}};

} // namespace

TEST_SUITE_BEGIN("stop_fsm");

TEST_CASE("stop_plan: the default is SIGTERM with a grace of five seconds")
{
    CHECK(stop_plan().steps() == std::vector<stop_step>{{SIGTERM, 5s}});
    CHECK(stop_plan() == stop_plan(SIGTERM, 5s));
}

TEST_CASE("stop_plan: all constructors produce the same steps")
{
    CHECK(stop_plan(SIGINT, 1s).then(SIGTERM, 2s).then(SIGQUIT, 3s).steps() == three);
    CHECK(stop_plan(three).steps() == three);

    stop_plan extended(SIGINT, 1s);
    extended.then(SIGTERM, 2s);
    stop_plan const before = extended;
    extended.then(SIGQUIT, 3s);
    CHECK(extended.steps() == three);
    CHECK(before == stop_plan(SIGINT, 1s).then(SIGTERM, 2s));
}

TEST_CASE("stop_plan: plans differ by signal, grace, order and length")
{
    stop_plan const plan(SIGTERM, 1s);
    CHECK(plan == stop_plan(SIGTERM, 1000ms));
    CHECK(plan != stop_plan(SIGINT, 1s));
    CHECK(plan != stop_plan(SIGTERM, 2s));
    CHECK(plan != stop_plan(SIGTERM, 1s).then(SIGTERM, 1s));
    CHECK(plan != stop_plan(std::vector<stop_step>()));
    CHECK(stop_plan(SIGINT, 1s).then(SIGTERM, 1s) != stop_plan(SIGTERM, 1s).then(SIGINT, 1s));
}

TEST_CASE("stop_fsm: SIGKILL follows unless the child exits within the grace")
{
    stop_fsm fsm(stop_plan(SIGTERM, 500ms));
    REQUIRE(fsm.next(running) == SIGTERM);
    REQUIRE(fsm.grace() == 500ms);

    SUBCASE("the child exits within the grace")
    {
        CHECK(fsm.next(ended) == std::nullopt);
        CHECK(fsm.grace() == std::nullopt);
    }
    SUBCASE("the grace expires")
    {
        CHECK(fsm.next(running) == SIGKILL);
        CHECK(fsm.grace() == std::nullopt);
    }
}

TEST_CASE("stop_fsm: each step is returned in order with its grace, followed by SIGKILL")
{
    stop_fsm fsm{stop_plan(three)};
    for (auto const& step : three) {
        CAPTURE(step.signal);
        CHECK(fsm.next(running) == step.signal);
        CHECK(fsm.grace() == step.grace);
    }
    CHECK(fsm.next(running) == SIGKILL);
    CHECK(fsm.grace() == std::nullopt);
}

TEST_CASE("stop_fsm: no signal follows SIGKILL")
{
    stop_fsm fsm(stop_plan(SIGTERM, 1s));
    REQUIRE(fsm.next(running) == SIGTERM);
    REQUIRE(fsm.next(running) == SIGKILL);
    for (int attempt = 0; attempt < 3; ++attempt) {
        CAPTURE(attempt);
        CHECK(fsm.next(running) == std::nullopt);
        CHECK(fsm.grace() == std::nullopt);
    }
    CHECK(fsm.next(ended) == std::nullopt);
}

TEST_CASE("stop_fsm: a child that has exited receives no signal after any step")
{
    for (std::size_t sent = 0; sent <= three.size() + 1; ++sent) {
        CAPTURE(sent);
        stop_fsm fsm{stop_plan(three)};
        for (std::size_t i = 0; i < sent; ++i)
            REQUIRE(fsm.next(running));
        CHECK(fsm.next(ended) == std::nullopt);
        CHECK(fsm.grace() == std::nullopt);
        CHECK(fsm.next(ended) == std::nullopt);
    }
}

TEST_CASE("stop_fsm: an empty plan sends SIGKILL at once")
{
    stop_fsm fsm{stop_plan(std::vector<stop_step>())};
    CHECK(fsm.next(running) == SIGKILL);
    CHECK(fsm.grace() == std::nullopt);
    CHECK(fsm.next(running) == std::nullopt);
}

TEST_CASE("stop_fsm: there is no grace before the first signal, and the grace may be zero")
{
    stop_fsm fsm(stop_plan(SIGTERM, 0s));
    CHECK(fsm.grace() == std::nullopt);
    CHECK(fsm.next(running) == SIGTERM);
    CHECK(fsm.grace() == 0s);
    CHECK(fsm.next(running) == SIGKILL);
}

TEST_CASE("stop_fsm: a plan may repeat a signal and contain SIGKILL")
{
    stop_fsm fsm(stop_plan(SIGTERM, 1s).then(SIGTERM, 2s).then(SIGKILL, 3s));
    CHECK(fsm.next(running) == SIGTERM);
    CHECK(fsm.grace() == 1s);
    CHECK(fsm.next(running) == SIGTERM);
    CHECK(fsm.grace() == 2s);
    CHECK(fsm.next(running) == SIGKILL);
    CHECK(fsm.grace() == 3s);
    CHECK(fsm.next(running) == SIGKILL);
    CHECK(fsm.next(running) == std::nullopt);
}

TEST_SUITE_END();
