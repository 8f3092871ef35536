// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_PROCESS_HPP
#define BROOD_LIB_OS_PROCESS_HPP

#include "os/unique_fd.hpp"

#include <brood/resource_usage.hpp>
#include <brood/result.hpp>

#include <chrono>
#include <optional>

#include <sys/types.h>

namespace brood::os {

/// A child: its pid, and its pidfd or -1.
struct child_id {
    pid_t pid;
    int pidfd;
};

/// What waitid(2) tells of an end.
struct child_end {
    int code;   ///< CLD_EXITED, CLD_KILLED or CLD_DUMPED.
    int status; ///< The exit code or the signal.
    resource_usage usage;
};

error_code last_error() noexcept;

/// Opens a pidfd; its descriptor is close-on-exec.
result<unique_fd> open_pidfd(pid_t pid) noexcept;

/// Whether pidfds can be opened and waited for. A passing shortage of descriptors counts as yes.
bool pidfd_available() noexcept;

/// Reaps the child if it has ended; nothing while it runs. ECHILD: it is no child of ours, or not any more.
result<std::optional<child_end>> reap(child_id child) noexcept;

/// Blocks until the child can be reaped, and leaves it so. By pid: a pidfd may be non-blocking.
result<void> wait_for_end(pid_t pid) noexcept;

/// Whether the process is a child that nobody has reaped: then its pid is its own.
bool is_child(pid_t pid) noexcept;

/// Whether the child can be reaped; ECHILD counts as yes, since waiting longer would not help.
bool has_ended(pid_t pid) noexcept;

/// Some child of the process that can be reaped, left so; 0 where there is none.
pid_t peek_ended_child() noexcept;

/// The wait status of a process that something else reaped, where the kernel still knows it (Linux 6.15).
std::optional<int> recall_status(int pidfd) noexcept;

/// Whether the kernel may know it later, when the process, which has ended, has been reaped.
bool may_recall_status(int pidfd) noexcept;

/// How a child that can be reaped ended; it is left so. Nothing while it runs, and where it is no child.
std::optional<child_end> peek_end(int pidfd) noexcept;

/// Whether a process has ended, whoever's child it is.
bool has_exited(int pidfd) noexcept;

/// Blocks until it has.
result<void> wait_for_exit(int pidfd) noexcept;

/// Blocks until it has been reaped, for some time at most (Linux 6.9).
result<void> wait_for_reap(int pidfd, std::chrono::milliseconds most) noexcept;

result<void> send_signal(child_id child, int signal) noexcept;
result<void> send_signal_to_group(pid_t leader, int signal) noexcept;

} // namespace brood::os

#endif
