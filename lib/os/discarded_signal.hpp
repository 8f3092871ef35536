// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_DISCARDED_SIGNAL_HPP
#define BROOD_LIB_OS_DISCARDED_SIGNAL_HPP

#include <cerrno>

#include <signal.h>

namespace brood::os {

/// Blocks a signal on this thread, and discards one that a system call raises. An earlier pending signal stays.
class discarded_signal {
public:
    explicit discarded_signal(int number) noexcept
    {
        sigset_t pending;
        sigemptyset(&pending);
        sigpending(&pending);
        was_pending_ = sigismember(&pending, number) == 1;
        sigemptyset(&signal_);
        sigaddset(&signal_, number);
        pthread_sigmask(SIG_BLOCK, &signal_, &before_);
    }

    ~discarded_signal() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    discarded_signal(discarded_signal const&) = delete;
    discarded_signal& operator=(discarded_signal const&) = delete;

    /// The call has raised the signal.
    void discard() noexcept
    {
        timespec const no_wait{};
        while (!was_pending_ && sigtimedwait(&signal_, nullptr, &no_wait) < 0 && errno == EINTR)
            continue;
    }

private:
    sigset_t signal_, before_;
    bool was_pending_;
};

} // namespace brood::os

#endif
