// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_FAULT_LINUX_INJECTOR_HPP
#define BROOD_TEST_FAULT_LINUX_INJECTOR_HPP

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>

#include <sys/syscall.h>
#include <sys/types.h>

namespace test {

/// A process that makes a system call: the process under test, or its child between fork and exec. The guard and the
/// watchdog, which are programs of the library, count as children.
enum class caller { parent, child };

/// Stand for epoll_ctl(2) with EPOLL_CTL_MOD: by the library, which uses EPOLLONESHOT, and by Asio.
constexpr int epoll_ctl_rearm = 0x10000 | SYS_epoll_ctl;
constexpr int epoll_ctl_mod = 0x20000 | SYS_epoll_ctl;

/// Stands for fcntl(2) with F_GETFD or F_SETFD.
constexpr int fcntl_fd_flags = 0x10000 | SYS_fcntl;

constexpr int system_call_mask = 0xffff;

/// System calls that fail.
/**
 * The injector makes an error true where it can: close(2) has closed the descriptor, and after ESRCH from kill(2) or
 * pidfd_send_signal(2) the processes have been killed.
 */
struct fault {
    int call; ///< The number of the system call, or what stands for it.
    caller who;
    long index; ///< The number of calls before the first one that fails.
    int error;
    bool for_good; ///< All later calls fail, too.
};

using call_counts = std::map<std::pair<caller, int>, long>;

/// The memory that the process under test shares with the supervisor.
struct shared_state {
    std::atomic<bool> armed = false;      ///< System calls fail and are counted.
    std::atomic<pid_t> exempt_thread = 0; ///< The system calls of this thread do not.

    // The descriptors of failed close(2) calls. They refer to another file, and are to be closed.
    std::atomic<unsigned> replaced_count = 0;
    int replaced[1024];

    char message[8192]; ///< The first failure; empty if there is none.
    char note[8192];    ///< Anything else that the process reports.
};

/// What the supervisor has seen of a process.
struct supervised_run {
    std::string failure; ///< Empty if the run was good.
    std::string note;
    call_counts calls; ///< Without a fault: the calls that were made while armed.
    bool failed_call = false;
};

/// Whether system calls can be made to fail here: seccomp(2) with notifications (Linux 5.19).
bool can_inject_faults();

/// Forks a process that runs the body, with system calls that fail, and waits for its end and that of its descendants.
/**
 * The run is good if the body returns and writes no message. A process that does not end within `bound` is killed.
 * Without a fault, all system calls but the untouched ones are counted. The calling process must have no other children
 * and one thread.
 */
supervised_run supervise(
    std::function<void(shared_state&)> const& body, std::optional<fault> const& what, std::span<int const> untouched,
    std::chrono::milliseconds bound);

} // namespace test

#endif
