// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/kill_switch.hpp"

#include "os/process.hpp"

#include <signal.h>

namespace brood::detail {

namespace raw = os::raw;

void kill_switch::kill() noexcept
{
    std::lock_guard lock(mutex_);
    raw::store(killed_, true);
    if (guard_)
        return guard_->end();
    pid_t const pid = raw::load(pid_);
    if (pid == 0 || !os::is_child({pid, -1})) // other code, or the kernel, may have reaped it
        return;
    (void)os::send_signal({pid, -1}, SIGKILL); // the first, so that it forks no process after the second
    if (leads_group_)
        (void)os::send_signal_to_group(pid, SIGKILL);
}

void kill_switch::arm(pid_t pid) noexcept
{
    raw::store(pid_, pid);
    if (raw::load(killed_))
        kill();
}

void kill_switch::kill_by(std::shared_ptr<guard_link> guard) noexcept
{
    std::lock_guard lock(mutex_);
    guard_ = std::move(guard);
    if (raw::load(killed_))
        guard_->end();
}

void kill_switch::disarm() noexcept
{
    std::lock_guard lock(mutex_);
    raw::store(pid_, 0);
    guard_.reset();
}

} // namespace brood::detail
