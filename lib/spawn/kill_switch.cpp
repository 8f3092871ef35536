// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/kill_switch.hpp"

#include "os/process.hpp"

#include <signal.h>

namespace brood::detail {

void kill_switch::kill() noexcept
{
    std::lock_guard lock(mutex_);
    killed_ = true;
    if (pid_t const pid = pid_)
        (void)os::send_signal({pid, -1}, SIGKILL);
}

void kill_switch::arm(pid_t pid) noexcept
{
    pid_ = pid;
    if (killed_)
        kill();
}

void kill_switch::disarm() noexcept
{
    std::lock_guard lock(mutex_);
    pid_ = 0;
}

} // namespace brood::detail
