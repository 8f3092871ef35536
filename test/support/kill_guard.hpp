// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_KILL_GUARD_HPP
#define BROOD_TEST_SUPPORT_KILL_GUARD_HPP

#include <signal.h>
#include <sys/types.h>

namespace test {

/// Kills a process that is not a child of this process.
struct kill_guard {
    ~kill_guard()
    {
        if (pid > 1)
            ::kill(pid, SIGKILL);
    }
    pid_t pid;
};

} // namespace test

#endif
