// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_SIGNALS_HPP
#define BROOD_LIB_OS_SIGNALS_HPP

#include "os/raw.hpp"

#include <signal.h>

namespace brood::os {

/// Blocks every signal on the calling thread during the lifetime of this object, including those that libc reserves.
class signal_block {
public:
    signal_block() noexcept;
    ~signal_block();
    signal_block(signal_block const&) = delete;
    signal_block& operator=(signal_block const&) = delete;

    /// The signals that were blocked before.
    raw::signal_bits previous() const noexcept { return previous_; }

private:
    raw::signal_bits previous_ = 0;
};

/// All signals but those that libc reserves, which a failed `exec` could not restore.
raw::signal_bits application_signals() noexcept;

/// Blocks the application's signals on the calling thread during the lifetime of this object.
/**
 * Used while the library creates a thread, which inherits the mask. The signals that libc reserves stay unblocked: a
 * change of credentials in libc sends one of them to every thread and waits for all of them to handle it.
 */
class application_signal_block {
public:
    application_signal_block() noexcept
    {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &previous_); // does not block the signals that libc reserves
    }

    ~application_signal_block() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
    application_signal_block(application_signal_block const&) = delete;
    application_signal_block& operator=(application_signal_block const&) = delete;

private:
    sigset_t previous_;
};

/// The signals that the calling thread blocks.
raw::signal_bits blocked_signals() noexcept;

/// Converts a set to libc's form.
sigset_t to_sigset(raw::signal_bits set) noexcept;

/// Whether the default action of a signal is to dump core.
constexpr bool dumps_core(int number) noexcept
{
    switch (number) {
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS: return true;
    default: return false;
    }
}

/// Whether `number` is a signal number.
bool is_signal(int number) noexcept;

} // namespace brood::os

#endif
