// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_SIGNALS_HPP
#define BROOD_LIB_OS_SIGNALS_HPP

#include "os/raw.hpp"

#include <signal.h>

namespace brood::os {

/// Blocks every signal, also those that libc keeps for itself, for the calling thread and this object's life.
class signal_block {
public:
    signal_block() noexcept;
    ~signal_block();
    signal_block(signal_block const&) = delete;
    signal_block& operator=(signal_block const&) = delete;

    /// What was blocked before.
    raw::signal_bits previous() const noexcept { return previous_; }

private:
    raw::signal_bits previous_ = 0;
};

/// Blocks every signal of the application's, for the calling thread and this object's life. To be there while a thread
/// of the library's own is made, which blocks the same for good.
/**
 * Those that libc keeps for itself stay open: a change of credentials waits for all threads to answer one, while it
 * keeps others from being made.
 */
class application_signal_block {
public:
    application_signal_block() noexcept
    {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &previous_); // leaves out what is libc's
    }

    ~application_signal_block() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
    application_signal_block(application_signal_block const&) = delete;
    application_signal_block& operator=(application_signal_block const&) = delete;

private:
    sigset_t previous_;
};

/// What the calling thread blocks.
raw::signal_bits blocked_signals() noexcept;

/// The same set in libc's form.
sigset_t to_sigset(raw::signal_bits set) noexcept;

/// Whether a number names a signal.
bool is_signal(int number) noexcept;

} // namespace brood::os

#endif
