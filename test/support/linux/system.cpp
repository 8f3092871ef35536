// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/system.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace test::system {

bool make_pipe(int (&ends)[2]) { return ::pipe2(ends, O_CLOEXEC) == 0; }

bool become_user(uid_t id, bool keep_root) { return ::setresuid(id, id, keep_root ? 0 : id) == 0; }

bool set_users(uid_t real, uid_t effective, uid_t saved) { return ::setresuid(real, effective, saved) == 0; }
bool set_groups(gid_t real, gid_t effective, gid_t saved) { return ::setresgid(real, effective, saved) == 0; }

bool become_root_again()
{
    // A change of the user makes the process non-dumpable.
    return ::setresuid(0, 0, 0) == 0 && ::prctl(PR_SET_DUMPABLE, 1) == 0;
}

bool is_dumpable() { return ::prctl(PR_GET_DUMPABLE) == 1; }
bool set_subreaper(bool on) { return ::prctl(PR_SET_CHILD_SUBREAPER, on ? 1UL : 0UL) == 0; }

bool trace(pid_t process) { return ::ptrace(PTRACE_SEIZE, process, 0, 0) == 0; }

bool request_tracing() { return ::ptrace(PTRACE_TRACEME, 0, 0, 0) == 0; }

void end_with_parent() { ::prctl(PR_SET_PDEATHSIG, SIGKILL); }

pid_t thread_id() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

int last_processor()
{
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) < 0)
        return -1;
    int last = CPU_SETSIZE - 1;
    while (last >= 0 && !CPU_ISSET(static_cast<unsigned>(last), &set))
        --last;
    return last;
}

std::vector<int> realtime_signals() { return {SIGRTMIN, SIGRTMAX}; }

namespace {

// Leaves the capabilities to change user and group IDs.
bool set_capabilities(bool inheritable)
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    unsigned const both = 1U << CAP_SETUID | 1U << CAP_SETGID;
    __user_cap_data_struct data[2] = {{both, both, inheritable ? both : 0}, {0, 0, 0}};
    return ::syscall(SYS_capset, &header, data) == 0;
}

bool raise_ambient(unsigned long capability)
{
    return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0UL, 0UL) == 0;
}

} // namespace

bool become_capable_user(uid_t id)
{
    return ::prctl(PR_SET_KEEPCAPS, 1) == 0 && become_user(id, false) && set_capabilities(false);
}

bool drop_capability(int number)
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (::syscall(SYS_capget, &header, data) != 0)
        return false;
    data[number / 32].effective &= ~(1U << number % 32);
    data[number / 32].permitted &= ~(1U << number % 32);
    return ::syscall(SYS_capset, &header, data) == 0;
}

bool become_dumpable() { return ::prctl(PR_SET_DUMPABLE, 1) == 0; }

bool make_inheritable(int capability)
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (::syscall(SYS_capget, &header, data) != 0)
        return false;
    data[capability / 32].inheritable |= 1U << capability % 32;
    return ::syscall(SYS_capset, &header, data) == 0;
}

bool share_mounts()
{
    return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_SHARED, nullptr) == 0;
}

bool keeps_capabilities() { return ::prctl(PR_GET_KEEPCAPS) == 1; }

bool raise_ambient_capabilities()
{
    return set_capabilities(true) && raise_ambient(CAP_SETUID) && raise_ambient(CAP_SETGID);
}

bool lock_new_memory() { return ::syscall(SYS_mlockall, MCL_FUTURE) == 0; }

pid_t fork_without_handlers()
{
    return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

pid_t fork_with_pidfd(int exit_code, int& pidfd)
{
    constexpr int clone_pidfd = 0x1000;
    auto const pid = static_cast<pid_t>(::syscall(SYS_clone, clone_pidfd | SIGCHLD, nullptr, &pidfd, nullptr, nullptr));
    if (pid == 0)
        ::_exit(exit_code);
    return pid;
}

} // namespace test::system
