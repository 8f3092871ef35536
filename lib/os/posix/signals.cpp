// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/signals.hpp"

namespace brood::os {
namespace {

constexpr int last_signal = NSIG - 1 < 64 ? NSIG - 1 : 64;

raw::signal_bits bits_of(sigset_t const& set) noexcept
{
    raw::signal_bits bits = 0;
    for (int signal = 1; signal <= last_signal; ++signal)
        if (sigismember(&set, signal) == 1)
            bits |= raw::bit_of(signal);
    return bits;
}

} // namespace

signal_block::signal_block() noexcept
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    previous_ = bits_of(before);
}

signal_block::~signal_block() { raw::set_mask(previous_); }

raw::signal_bits blocked_signals() noexcept
{
    sigset_t blocked;
    sigemptyset(&blocked);
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    return bits_of(blocked);
}

raw::signal_bits application_signals() noexcept
{
    sigset_t all;
    sigfillset(&all);
    return bits_of(all);
}

sigset_t to_sigset(raw::signal_bits bits) noexcept
{
    sigset_t set;
    sigemptyset(&set);
    for (int signal = 1; signal <= last_signal; ++signal)
        if (bits & raw::bit_of(signal))
            sigaddset(&set, signal);
    return set;
}

bool is_signal(int number) noexcept { return number >= 1 && number <= last_signal; }

} // namespace brood::os
