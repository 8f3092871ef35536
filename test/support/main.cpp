// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#define DOCTEST_CONFIG_IMPLEMENT
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS
#include "support/deny_syscalls.hpp"
#include "support/watchdog.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

namespace {

int run_tests(int argc, char** argv)
{
    if (char const* calls = std::getenv("BROOD_DENY_SYSCALLS"))
        test::deny_syscalls(calls);
    return doctest::Context(argc, argv).run();
}

} // namespace

int main(int argc, char** argv) { return test::run_watched(run_tests, argc, argv); }
