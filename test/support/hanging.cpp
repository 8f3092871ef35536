// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// A program whose second case hangs as badly as a test can: it blocks all signals, and a child of it holds the output
// open. See check_watchdog.py.
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

TEST_CASE("hanging: a case that ends") { CHECK(::getpid() > 0); }

TEST_CASE("hanging: a case that does not end")
{
    sigset_t all;
    sigfillset(&all);
    REQUIRE(::sigprocmask(SIG_SETMASK, &all, nullptr) == 0);
    REQUIRE(::fork() >= 0);
    for (;;)
        ::pause();
}
