// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/signals.hpp"

#include "os/linux/syscall.hpp"

namespace brood::os {

// The raw call, because libc's function does not block the signals that libc reserves.
signal_block::signal_block() noexcept
{
    raw::signal_bits const all = raw::all_signals;
    system_call(SYS_rt_sigprocmask, SIG_SETMASK, word(&all), word(&previous_), sizeof all);
}

signal_block::~signal_block() { system_call(SYS_rt_sigprocmask, SIG_SETMASK, word(&previous_), 0, sizeof previous_); }

raw::signal_bits blocked_signals() noexcept
{
    raw::signal_bits blocked = 0;
    system_call(SYS_rt_sigprocmask, SIG_BLOCK, 0, word(&blocked), sizeof blocked);
    return blocked;
}

raw::signal_bits application_signals() noexcept
{
    sigset_t all;
    sigfillset(&all);
    raw::signal_bits bits = 0;
    for (int signal = 1; signal <= 64; ++signal)
        if (sigismember(&all, signal) == 1)
            bits |= raw::bit_of(signal);
    return bits;
}

sigset_t to_sigset(raw::signal_bits bits) noexcept
{
    sigset_t set;
    sigemptyset(&set);
    for (int signal = 1; signal <= 64; ++signal)
        if (bits & raw::bit_of(signal))
            sigaddset(&set, signal); // fails for the signals that libc reserves
    return set;
}

bool is_signal(int number) noexcept { return number >= 1 && number <= 64; }

} // namespace brood::os
