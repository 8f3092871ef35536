// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_FORK_HPP
#define BROOD_LIB_OS_FORK_HPP

#include <chrono>
#include <thread>

#include <cerrno>

#include <sys/types.h>

namespace brood::os {

/// fork(2): 0 in the child, its pid in the parent, or -errno.
pid_t fork_process() noexcept;

/// Calls again while the answer is EBADF, waiting twice as long each time, from a nanosecond up to a second.
/**
 * On QNX, fork and posix_spawn fail so when another thread opens or closes a descriptor meanwhile. `call` gives
 * 0 or more, or -errno; `wait` is given the time to let pass.
 */
template <class Call, class Wait>
auto retry_on_busy_descriptors(Call call, Wait wait) noexcept
{
    constexpr std::chrono::nanoseconds longest = std::chrono::seconds(1);
    auto outcome = call();
    for (std::chrono::nanoseconds delay(1); outcome == -EBADF; delay *= 2) {
        if (delay >= longest)
            return decltype(outcome)(-EAGAIN);
        wait(delay);
        outcome = call();
    }
    return outcome;
}

/// Lets a time pass; one too short to sleep for just lets other threads run.
inline void pause_for(std::chrono::nanoseconds time) noexcept
{
    if (time < std::chrono::microseconds(1))
        std::this_thread::yield();
    else
        std::this_thread::sleep_for(time);
}

} // namespace brood::os

#endif
