// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"

#include <doctest/doctest.h>

#include <cerrno>

#include <signal.h>

using namespace brood;

TEST_SUITE_BEGIN("os process");

// kill(2) takes these numbers for groups of processes: 0 is the caller's own.
TEST_CASE("send_signal: no signal is sent without a pid")
{
    for (pid_t pid : {0, -1, -1000})
        CHECK(os::send_signal({pid, -1}, SIGCONT).error().value() == ESRCH);
    for (pid_t leader : {1, 0, -1})
        CHECK(os::send_signal_to_group(leader, SIGCONT).error().value() == ESRCH);
}

TEST_SUITE_END();
