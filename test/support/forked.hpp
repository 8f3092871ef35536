// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_FORKED_HPP
#define BROOD_TEST_SUPPORT_FORKED_HPP

#include "support/support.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test {

/// A process that this one forks. It does not call exec.
class forked {
public:
    /// The process ends with the result of the body. Nothing may be checked there: doctest would print.
    template <class Body>
    explicit forked(Body body) : pid_(::fork())
    {
        REQUIRE(pid_ >= 0);
        if (pid_ > 0)
            return;
        bool good = false;
        try {
            good = body();
        } catch (...) {}
        ::_exit(good ? 0 : 1);
    }

    ~forked()
    {
        if (pid_ == 0)
            return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    forked(forked const&) = delete;
    forked& operator=(forked const&) = delete;

    pid_t pid() const { return pid_; }

    /// Waits for the end. Returns whether the body has returned true.
    bool succeeds()
    {
        int status = 0;
        pid_t const ended = ::waitpid(std::exchange(pid_, 0), &status, 0);
        return ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }

private:
    pid_t pid_;
};

/// The body of a process that lives until it is killed.
inline bool pause_for_ever()
{
    for (;;)
        ::pause();
}

} // namespace test

#endif
