// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/backend.hpp"

#include "os/process.hpp"

#include <cerrno>

#include <signal.h>

namespace brood::detail {

spawn_stage stage_of_clone(plan const& p, int error) noexcept
{
    switch (error) {
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return spawn_stage::clone;
    case EPERM:
    case ENOSPC:
    case EUSERS:
    case ENOSYS:
    case EINVAL:
        if (p.namespaces != 0)
            return spawn_stage::namespaces;
        break;
    default: break;
    }
    return p.cgroup ? spawn_stage::cgroup : spawn_stage::clone;
}

error_code reap_failed_child(pid_t pid, error_code failure) noexcept
{
    os::wait_and_reap(pid);
    return failure;
}

error_code kill_and_reap(spawned_child const& child, error_code failure) noexcept
{
    if (child.guard)
        child.guard->end();
    else if (os::is_child({child.pid, -1})) // not if other code, or the kernel, has reaped it
        (void)os::send_signal({child.pid, -1}, SIGKILL);
    return reap_failed_child(child.pid, failure);
}

result<spawned_child> ensure_pidfd(spawned_child child, pidfd_mode mode) noexcept
{
    if (mode == pidfd_mode::none || child.pidfd)
        return child;
    auto opened = os::open_pidfd(child.pid);
    bool const gone = !opened && opened.error().value() == ESRCH; // other code has reaped it: its status is lost
    if (opened)
        child.pidfd = std::move(opened).value();
    else if (mode == pidfd_mode::required && !gone)
        return kill_and_reap(child, make_error_code(spawn_stage::clone, opened.error().value()));
    return child;
}

} // namespace brood::detail
