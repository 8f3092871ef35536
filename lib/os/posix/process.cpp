// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"

#include <cerrno>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace brood::os {
namespace {

resource_usage from_rusage(rusage const& usage) noexcept
{
    using std::chrono::microseconds, std::chrono::seconds;
    auto const time = [](timeval t) { return seconds(t.tv_sec) + microseconds(t.tv_usec); };
    auto const count = [](long value) { return static_cast<std::uint64_t>(value); };
#ifdef __APPLE__
    constexpr std::uint64_t rss_unit = 1;
#else
    constexpr std::uint64_t rss_unit = 1024;
#endif
    return {
        .user_time = time(usage.ru_utime),
        .system_time = time(usage.ru_stime),
        .max_rss = count(usage.ru_maxrss) * rss_unit,
        .minor_faults = count(usage.ru_minflt),
        .major_faults = count(usage.ru_majflt),
        .voluntary_switches = count(usage.ru_nvcsw),
        .involuntary_switches = count(usage.ru_nivcsw),
    };
}

} // namespace

result<unique_fd> open_pidfd(pid_t) noexcept { return error_code(ENOSYS, boost::system::system_category()); }
bool pidfd_available() noexcept { return false; }

int peek_at(child_id child, siginfo_t& info) noexcept
{
    int result;
    do
        result = ::waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED | WNOHANG | WNOWAIT);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

result<std::optional<child_end>> reap(child_id child) noexcept
{
    int status = 0;
    rusage usage{};
    pid_t pid;
    do
        pid = ::wait4(child.pid, &status, WNOHANG, &usage);
    while (pid < 0 && errno == EINTR);
    if (pid < 0)
        return last_error();
    if (pid == 0 || !(WIFEXITED(status) || WIFSIGNALED(status)))
        return std::optional<child_end>();
    child_end end{CLD_EXITED, WEXITSTATUS(status), from_rusage(usage)};
    if (WIFSIGNALED(status)) {
        end.code = WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
        end.status = WTERMSIG(status);
    }
    return std::optional(end);
}

std::optional<int> recall_status(int) noexcept { return std::nullopt; }
bool may_recall_status(int) noexcept { return false; }
bool can_list_children() noexcept { return false; }
std::optional<child_end> peek_end(int) noexcept { return std::nullopt; }
result<bool> has_exited(int) noexcept { return true; }
result<void> wait_for_exit(int) noexcept { return error_code(ENOSYS, boost::system::system_category()); }
result<void> wait_for_reap(int, std::chrono::milliseconds) noexcept
{
    return error_code(ENOSYS, boost::system::system_category());
}

result<void> send_signal(child_id child, int signal) noexcept
{
    if (child.pid <= 0) // would reach a group or every process
        return error_code(ESRCH, boost::system::system_category());
    if (::kill(child.pid, signal) < 0)
        return last_error();
    return boost::outcome_v2::success();
}

} // namespace brood::os
