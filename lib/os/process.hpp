// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_PROCESS_HPP
#define BROOD_LIB_OS_PROCESS_HPP

#include "os/unique_fd.hpp"

#include <brood/resource_usage.hpp>
#include <brood/result.hpp>

#include <chrono>
#include <optional>

#include <signal.h>
#include <sys/types.h>

namespace brood::os {

/// A child: its pid, and its pidfd or -1.
struct child_id {
    pid_t pid;
    int pidfd;
};

/// Whether a `si_code` of waitid(2) reports the end of a child. A traced child also reports its stops, even if the
/// caller waits for WEXITED only.
constexpr bool is_end(int code) noexcept { return code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED; }

/// The end of a child as waitid(2) reports it.
struct child_end {
    int code;   ///< CLD_EXITED, CLD_KILLED or CLD_DUMPED.
    int status; ///< The exit code or the signal.
    resource_usage usage;
};

error_code last_error() noexcept;

/// Opens a pidfd. The descriptor is close-on-exec.
result<unique_fd> open_pidfd(pid_t pid) noexcept;

/// Whether pidfds can be opened and waited for. A temporary shortage of descriptors counts as yes.
bool pidfd_available() noexcept;

/// Reaps the child if it has ended. Empty while it runs. ECHILD: the process is not a child or has been reaped.
/**
 * Takes the report of a traced child that has stopped, so that `wait_for_end` blocks again.
 */
result<std::optional<child_end>> reap(child_id child) noexcept;

/// Blocks until the child can be reaped, and does not reap it. Uses the pid: a pidfd may be non-blocking.
/**
 * Also returns if this process traces the child and the child has stopped: call `reap`, then wait again.
 */
result<void> wait_for_end(pid_t pid) noexcept;

/// Blocks until the child has ended, and reaps it.
void wait_and_reap(pid_t pid) noexcept;

/// waitid(2) for a child that has ended, without reaping it. Returns 0 or the errno.
int peek_at(child_id child, siginfo_t& info) noexcept;

/// Whether the process is a child that has not been reaped. Its pid then cannot be recycled.
bool is_child(child_id child) noexcept;

/// Whether the child can be reaped. ECHILD counts as yes: waiting longer would not help.
result<bool> has_ended(child_id child) noexcept;

/// As `has_ended`. An error counts as yes.
bool may_have_ended(child_id child) noexcept;

/// The pid of any child that can be reaped; 0 if there is none. The child is not reaped.
pid_t peek_ended_child() noexcept;

/// The wait status of a process that other code has reaped, if the kernel still knows it (Linux 6.15).
std::optional<int> recall_status(int pidfd) noexcept;

/// Whether procfs lists the children of processes, and this process's children are in its own PID namespace.
bool can_list_children() noexcept;

/// Whether the kernel may report the status of a process that has ended after it has been reaped.
bool may_recall_status(int pidfd) noexcept;

/// The end of a child that can be reaped, without reaping it. Empty if the process runs or is not a child.
std::optional<child_end> peek_end(int pidfd) noexcept;

/// Whether a process has ended. It need not be a child.
result<bool> has_exited(int pidfd) noexcept;

/// Blocks until a process has ended. It need not be a child.
result<void> wait_for_exit(int pidfd) noexcept;

/// Blocks until a process has been reaped, or `timeout` has expired (Linux 6.9).
result<void> wait_for_reap(int pidfd, std::chrono::milliseconds timeout) noexcept;

/// Uses the pid if there is no pidfd or if a filter refuses pidfd_send_signal(2). The process must not have been
/// reaped.
result<void> send_signal(child_id child, int signal) noexcept;

result<void> send_signal_to_group(pid_t leader, int signal) noexcept;

/// The process group of a process; 0 if the process does not exist.
pid_t group_of(pid_t pid) noexcept;

/// Moves a child that has not executed its program yet into a process group. If that has ended, the child leads one.
void move_to_group(pid_t pid, pid_t leader) noexcept;

} // namespace brood::os

#endif
