// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"

#include <cerrno>

#include <sys/wait.h>
#include <unistd.h>

// The functions that are the same on every platform. The others are in os/linux and os/posix.
namespace brood::os {
namespace {

int libc_waitid(idtype_t type, pid_t pid, siginfo_t* info, int options) noexcept
{
    int result;
    do
        result = ::waitid(type, static_cast<id_t>(pid), info, options);
    while (result < 0 && errno == EINTR);
    return result;
}

result<void> check(int result) noexcept
{
    if (result < 0)
        return last_error();
    return boost::outcome_v2::success();
}

constexpr int peek = WEXITED | WNOHANG | WNOWAIT;

} // namespace

error_code last_error() noexcept { return {errno, boost::system::system_category()}; }

result<void> wait_for_end(pid_t pid) noexcept
{
    siginfo_t info{};
    return check(libc_waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
}

void wait_and_reap(pid_t pid) noexcept
{
    while (wait_for_end(pid)) {
        auto const end = reap({pid, -1});
        if (!end || end.value())
            return;
    }
}

result<bool> has_ended(child_id child) noexcept
{
    siginfo_t info{};
    int const error = peek_at(child, info);
    if (error != 0 && error != ECHILD)
        return error_code(error, boost::system::system_category());
    return error == ECHILD || (info.si_pid != 0 && is_end(info.si_code));
}

bool may_have_ended(child_id child) noexcept
{
    auto const ended = has_ended(child);
    return !ended || ended.value();
}

bool is_child(child_id child) noexcept
{
    siginfo_t info{};
    return peek_at(child, info) == 0;
}

pid_t peek_ended_child() noexcept
{
    siginfo_t info{};
    return libc_waitid(P_ALL, 0, &info, peek) < 0 ? 0 : info.si_pid;
}

result<void> send_signal_to_group(pid_t leader, int signal) noexcept
{
    if (leader <= 1) // would reach this process's group or every process
        return error_code(ESRCH, boost::system::system_category());
    return check(::kill(-leader, signal));
}

pid_t group_of(pid_t pid) noexcept
{
    pid_t const group = ::getpgid(pid);
    return group < 0 ? 0 : group;
}

void move_to_group(pid_t pid, pid_t leader) noexcept
{
    if (::setpgid(pid, leader) < 0 && errno != EACCES)
        (void)::setpgid(pid, pid);
}

} // namespace brood::os
