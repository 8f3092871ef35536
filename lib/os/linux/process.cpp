// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"

#include "os/linux/abi.hpp"
#include "os/linux/syscall.hpp"

#include <atomic>
#include <climits>

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

namespace brood::os {
namespace {

error_code system_error(long negative) noexcept
{
    return {static_cast<int>(-negative), boost::system::system_category()};
}

result<void> check(long outcome) noexcept
{
    if (outcome < 0)
        return system_error(outcome);
    return boost::outcome_v2::success();
}

long wait_id(int type, int id, siginfo_t* info, int options, abi::rusage* usage = nullptr) noexcept
{
    long outcome;
    do
        outcome = system_call(SYS_waitid, type, id, word(info), options, word(usage));
    while (outcome == -EINTR);
    return outcome;
}

long wait_id(child_id child, siginfo_t* info, int options, abi::rusage* usage = nullptr) noexcept
{
    return child.pidfd >= 0 ? wait_id(abi::p_pidfd, child.pidfd, info, options, usage)
                            : wait_id(P_PID, child.pid, info, options, usage);
}

resource_usage from_kernel(abi::rusage const& usage) noexcept
{
    using std::chrono::microseconds, std::chrono::seconds;
    auto const count = [](long value) { return static_cast<std::uint64_t>(value); };
    return {
        .user_time = seconds(usage.user_seconds) + microseconds(usage.user_microseconds),
        .system_time = seconds(usage.system_seconds) + microseconds(usage.system_microseconds),
        .max_rss = count(usage.max_rss_kib) * 1024,
        .minor_faults = count(usage.minor_faults),
        .major_faults = count(usage.major_faults),
        .voluntary_switches = count(usage.voluntary_switches),
        .involuntary_switches = count(usage.involuntary_switches),
    };
}

std::optional<abi::pidfd_info> ask_for_exit(int pidfd) noexcept
{
    abi::pidfd_info info{};
    info.mask = abi::pidfd_info_exit;
    if (pidfd < 0 || system_call(SYS_ioctl, pidfd, static_cast<long>(abi::pidfd_get_info), word(&info)) < 0)
        return std::nullopt;
    return info;
}

long poll(int pidfd, short events, int timeout) noexcept
{
    pollfd asked{pidfd, events, 0};
    int outcome;
    do
        outcome = ::poll(&asked, 1, timeout);
    while (outcome < 0 && errno == EINTR);
    return outcome < 0 ? -errno : outcome;
}

enum class probe { unknown, yes, no };

probe probe_pidfd() noexcept
{
    long const fd = system_call(abi::sys_pidfd_open, ::getpid(), 0);
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
        return probe::unknown;
    if (fd < 0)
        return probe::no;
    siginfo_t info{};
    // This process is no child of itself: ECHILD where P_PIDFD is known, EINVAL where it is not.
    long const outcome = wait_id(abi::p_pidfd, static_cast<int>(fd), &info, WEXITED | WNOHANG | WNOWAIT);
    ::close(static_cast<int>(fd));
    return outcome == -ECHILD ? probe::yes : probe::no;
}

} // namespace

error_code last_error() noexcept { return {errno, boost::system::system_category()}; }

result<unique_fd> open_pidfd(pid_t pid) noexcept
{
    long const fd = system_call(abi::sys_pidfd_open, pid, 0);
    if (fd < 0)
        return system_error(fd == -ENOENT ? -EINVAL : fd); // a mere thread, by what newer and older kernels say
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

result<std::optional<child_end>> reap(child_id child) noexcept
{
    siginfo_t info{};
    abi::rusage usage{};
    if (long const outcome = wait_id(child, &info, WEXITED | WNOHANG, &usage); outcome < 0)
        return system_error(outcome);
    if (info.si_pid == 0)
        return std::optional<child_end>();
    return std::optional<child_end>({info.si_code, info.si_status, from_kernel(usage)});
}

result<void> wait_for_end(pid_t pid) noexcept
{
    siginfo_t info{};
    return check(wait_id(P_PID, pid, &info, WEXITED | WNOWAIT));
}

bool has_ended(pid_t pid) noexcept
{
    siginfo_t info{};
    long const outcome = wait_id(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return outcome < 0 || info.si_pid != 0;
}

bool is_child(pid_t pid) noexcept
{
    siginfo_t info{};
    return wait_id(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

pid_t peek_ended_child() noexcept
{
    siginfo_t info{};
    return wait_id(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ? 0 : info.si_pid;
}

std::optional<int> recall_status(int pidfd) noexcept
{
    auto const info = ask_for_exit(pidfd);
    if (!info || !(info->mask & abi::pidfd_info_exit))
        return std::nullopt;
    return info->exit_code;
}

bool may_recall_status(int pidfd) noexcept { return ask_for_exit(pidfd).has_value(); }

std::optional<child_end> peek_end(int pidfd) noexcept
{
    siginfo_t info{};
    abi::rusage usage{};
    if (wait_id(abi::p_pidfd, pidfd, &info, WEXITED | WNOHANG | WNOWAIT, &usage) < 0 || info.si_pid == 0)
        return std::nullopt;
    return child_end{info.si_code, info.si_status, from_kernel(usage)};
}

bool has_exited(int pidfd) noexcept { return poll(pidfd, POLLIN, 0) > 0; }

result<void> wait_for_exit(int pidfd) noexcept { return check(poll(pidfd, POLLIN, -1)); }

result<void> wait_for_reap(int pidfd, std::chrono::milliseconds most) noexcept
{
    return check(poll(pidfd, 0, static_cast<int>(most.count()))); // a hangup is always told
}

result<void> send_signal(child_id child, int signal) noexcept
{
    return check(
        child.pidfd >= 0 ? system_call(abi::sys_pidfd_send_signal, child.pidfd, signal, 0, 0)
                         : system_call(SYS_kill, child.pid, signal));
}

result<void> send_signal_to_group(pid_t leader, int signal) noexcept
{
    return check(system_call(SYS_kill, -leader, signal));
}

} // namespace brood::os
