// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"

#include "os/linux/abi.hpp"
#include "os/linux/syscall.hpp"
#include "os/linux/usage.hpp"
#include "os/shortage.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace brood::os {
namespace {

error_code raw_error(long negative) noexcept { return {static_cast<int>(-negative), boost::system::system_category()}; }

result<void> check_raw(long result) noexcept
{
    if (result < 0)
        return raw_error(result);
    return boost::outcome_v2::success();
}

long wait_id(int type, int id, siginfo_t* info, int options, abi::rusage* usage = nullptr) noexcept
{
    long result;
    do
        result = system_call(SYS_waitid, type, id, word(info), options, word(usage));
    while (result == -EINTR);
    return result;
}

long wait_id(child_id child, siginfo_t* info, int options, abi::rusage* usage = nullptr) noexcept
{
    return child.pidfd >= 0 ? wait_id(abi::p_pidfd, child.pidfd, info, options, usage)
                            : wait_id(P_PID, child.pid, info, options, usage);
}

// The kernel reports ESRCH if it looks for the record of the end just before it is made, and for the process just after
// that. The second answer is certain.
std::optional<abi::pidfd_info> query_exit(int pidfd) noexcept
{
    if (pidfd < 0)
        return std::nullopt;
    long error = -ESRCH;
    for (int attempt = 0; error == -ESRCH && attempt < 2; ++attempt) {
        abi::pidfd_info info{};
        info.mask = abi::pidfd_info_exit;
        error = system_call(SYS_ioctl, pidfd, static_cast<long>(abi::pidfd_get_info), word(&info));
        if (error >= 0)
            return info;
    }
    return std::nullopt;
}

constexpr std::chrono::milliseconds no_time{0}, no_limit{-1};

long poll(int pidfd, short events, std::chrono::milliseconds timeout) noexcept
{
    using clock = std::chrono::steady_clock;
    auto const deadline = clock::now() + timeout;
    for (auto left = timeout;;) {
        pollfd entry{pidfd, events, 0};
        int const result = ::poll(&entry, 1, static_cast<int>(left.count()));
        if (result >= 0 || errno != EINTR)
            return result < 0 ? -errno : result;
        if (timeout > no_time)
            left = std::max(no_time, std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()));
    }
}

enum class probe { unknown, yes, no };

probe probe_pidfd() noexcept
{
    long const fd = system_call(abi::sys_pidfd_open, ::getpid(), 0);
    if (is_shortage(static_cast<int>(-fd)))
        return probe::unknown;
    if (fd < 0)
        return probe::no;
    siginfo_t info{};
    // This process is not its own child: ECHILD means that P_PIDFD is supported, EINVAL that it is not.
    long const result = wait_id(abi::p_pidfd, static_cast<int>(fd), &info, WEXITED | WNOHANG | WNOWAIT);
    ::close(static_cast<int>(fd));
    return result == -ECHILD ? probe::yes : probe::no;
}

} // namespace

result<unique_fd> open_pidfd(pid_t pid) noexcept
{
    long const fd = system_call(abi::sys_pidfd_open, pid, 0);
    // For a thread that is not a process, newer kernels report ENOENT and older ones EINVAL.
    if (fd < 0)
        return raw_error(fd == -ENOENT ? -EINVAL : fd);
    return unique_fd(static_cast<int>(fd));
}

bool pidfd_available() noexcept
{
    static std::atomic<probe> known = probe::unknown;
    probe answer = known.load(std::memory_order_relaxed);
    if (answer == probe::unknown) {
        answer = probe_pidfd();
        known.store(answer, std::memory_order_relaxed);
    }
    return answer != probe::no;
}

int peek_at(child_id child, siginfo_t& info) noexcept
{
    return static_cast<int>(-wait_id(child, &info, WEXITED | WNOHANG | WNOWAIT));
}

result<std::optional<child_end>> reap(child_id child) noexcept
{
    siginfo_t info{};
    abi::rusage usage{};
    if (long const error = wait_id(child, &info, WEXITED | WNOHANG, &usage); error < 0)
        return raw_error(error);
    if (info.si_pid == 0 || !is_end(info.si_code))
        return std::optional<child_end>();
    return std::optional<child_end>({info.si_code, info.si_status, from_kernel(usage)});
}

std::optional<int> recall_status(int pidfd) noexcept
{
    auto const info = query_exit(pidfd);
    if (!info || !(info->mask & abi::pidfd_info_exit))
        return std::nullopt;
    return info->exit_code;
}

bool can_list_children() noexcept
{
    char own[32] = {}, of_children[32] = {};
    return ::access("/proc/thread-self/children", R_OK) == 0 &&
           ::readlink("/proc/self/ns/pid", own, sizeof own - 1) > 0 &&
           ::readlink("/proc/self/ns/pid_for_children", of_children, sizeof of_children - 1) > 0 &&
           std::strcmp(own, of_children) == 0;
}

bool may_recall_status(int pidfd) noexcept { return query_exit(pidfd).has_value(); }

std::optional<child_end> peek_end(int pidfd) noexcept
{
    siginfo_t info{};
    abi::rusage usage{};
    if (wait_id(abi::p_pidfd, pidfd, &info, WEXITED | WNOHANG | WNOWAIT, &usage) < 0 || info.si_pid == 0 ||
        !is_end(info.si_code))
        return std::nullopt;
    return child_end{info.si_code, info.si_status, from_kernel(usage)};
}

result<bool> has_exited(int pidfd) noexcept
{
    long const ready = poll(pidfd, POLLIN, no_time);
    if (ready < 0)
        return raw_error(ready);
    return ready > 0;
}

result<void> wait_for_exit(int pidfd) noexcept { return check_raw(poll(pidfd, POLLIN, no_limit)); }

result<void> wait_for_reap(int pidfd, std::chrono::milliseconds timeout) noexcept
{
    return check_raw(poll(pidfd, 0, timeout)); // POLLHUP is always reported
}

result<void> send_signal(child_id child, int signal) noexcept
{
    if (child.pidfd >= 0) {
        long const sent = system_call(abi::sys_pidfd_send_signal, child.pidfd, signal, 0, 0);
        bool const may_be_filtered = sent == -EPERM || sent == -ENOSYS;
        if (!may_be_filtered || child.pid <= 0)
            return check_raw(sent);
    }
    if (child.pid <= 0) // would reach a group or every process
        return raw_error(-ESRCH);
    return check_raw(system_call(SYS_kill, child.pid, signal));
}

} // namespace brood::os
