// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/signals.hpp"

#include "support/system.hpp"

#include <doctest/doctest.h>

#include <signal.h>

namespace os = brood::os;

TEST_SUITE_BEGIN("os signals");

TEST_CASE("is_signal: every signal of the system is a signal, 0 and numbers above 64 are not")
{
    auto signals = test::system::realtime_signals();
    for (int signal : {SIGHUP, SIGKILL, SIGTERM, SIGSTOP, SIGCHLD, SIGWINCH})
        signals.push_back(signal);
    for (int signal : signals) {
        CAPTURE(signal);
        CHECK(os::is_signal(signal));
    }
    for (int number : {-1, 0, 65, 1000}) {
        CAPTURE(number);
        CHECK_FALSE(os::is_signal(number));
    }
}

TEST_SUITE_END();
