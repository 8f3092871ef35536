// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/kill_switch.hpp"

#include "os/process.hpp"

#include <signal.h>

namespace brood::detail {

void kill_switch::kill() noexcept
{
    std::lock_guard lock(mutex_);
    killed_ = true;
    kill_armed();
}

void kill_switch::arm(pid_t pid) noexcept
{
    std::lock_guard lock(mutex_);
    pid_ = pid;
    if (killed_)
        kill_armed();
}

void kill_switch::disarm() noexcept
{
    std::lock_guard lock(mutex_);
    pid_ = 0;
}

void kill_switch::kill_armed() noexcept
{
    if (pid_ != 0)
        (void)os::send_signal({pid_, -1}, SIGKILL);
}

} // namespace brood::detail
