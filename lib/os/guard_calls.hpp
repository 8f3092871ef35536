// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_GUARD_CALLS_HPP
#define BROOD_LIB_OS_GUARD_CALLS_HPP

#include "os/raw.hpp"

#include <brood/resource_usage.hpp>

/// What the guard of a contained program and the watchdog of a cgroup need of the system beside os/raw.hpp. Linux only.
namespace brood::os::raw {

int become_subreaper() noexcept;

/// fork(2) with the child's pidfd. -1: the kernel has none.
pid_t fork(int& pidfd) noexcept;

/// Ignores SIGCHLD, or resets it to the default. Returns whether it was ignored.
bool ignore_child_signal(bool ignored) noexcept;

/// A descriptor that is readable after a SIGCHLD or a SIGCONT, which are blocked.
int open_child_signals() noexcept;

/// Waits until a signal has arrived, a link is readable or has been closed, a pidfd's process has ended, or the time has
/// expired. -1: no such descriptor, no limit. Returns whether a signal has arrived.
bool wait_for_event(int signals, int link, int pidfd, int milliseconds) noexcept;

/// Opens the pidfd of a process.
int open_process(pid_t pid) noexcept;

/// Waits until the other end of the link has been closed or the process has ended.
void wait_for_end_of(int link, int pidfd) noexcept;

void pause(int milliseconds) noexcept;

/// Whether there is something to read, or the other end has been closed.
bool is_readable(int fd) noexcept;

/// Whether a child has ended or does not exist. It is not reaped.
bool has_ended(pid_t pid) noexcept;

/// Reaps a child that has ended. Returns false if it runs.
bool reap(pid_t pid, int* status = nullptr, resource_usage* usage = nullptr) noexcept;

/// Whether this process has any child.
bool has_children() noexcept;

void send_signal(pid_t pid, int signal) noexcept;

/// A clock in milliseconds.
long now() noexcept;

/// Lets nobody read this process's memory or trace it, and shows a name of its own instead of its arguments.
void conceal(char** arguments, char** environment) noexcept;

/// The children of processes, in procfs. Its descriptors stay valid if procfs is unmounted.
class child_lists {
public:
    /// Returns -ENOTSUP unless procfs lists the children of this process, by the pids that this process uses. Another
    /// error is a shortage.
    int open() noexcept;

    int folder() const noexcept { return folder_; }
    int own() const noexcept { return own_; }

    /// Calls `what` for each child of this process. Needs no further descriptor.
    template <class Function>
    void for_each_own(Function what) const noexcept
    {
        for_each_own(invoke<Function>, &what);
    }

    /// Calls `what` for each child of a process.
    template <class Function>
    void for_each(pid_t pid, Function what) const noexcept
    {
        for_each(pid, invoke<Function>, &what);
    }

private:
    using callback = void (*)(void*, pid_t) noexcept;

    template <class Function>
    static void invoke(void* function, pid_t child) noexcept
    {
        (*static_cast<Function*>(function))(child);
    }

    void for_each_own(callback what, void* argument) const noexcept;
    void for_each(pid_t pid, callback what, void* argument) const noexcept;

    int folder_ = -1, own_ = -1;
};

/// Ends this process as a process with this wait status has ended, without a core dump.
[[noreturn]] void end_with_status(int status) noexcept;

} // namespace brood::os::raw

#endif
