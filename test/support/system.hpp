// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_SYSTEM_HPP
#define BROOD_TEST_SUPPORT_SYSTEM_HPP

#include <vector>

#include <sys/types.h>

/// System calls that differ between Linux and other systems. Where a system lacks a call, its function reports failure,
/// and the tests that need it are skipped.
namespace test::system {

/// pipe(2) with FD_CLOEXEC.
bool make_pipe(int (&ends)[2]);

/// Sets the real and the effective user ID. The saved one stays root's if `keep_root`.
bool become_user(uid_t id, bool keep_root);
bool become_root_again();

/// Sets the real, the effective and the saved user or group.
bool set_users(uid_t real, uid_t effective, uid_t saved);
bool set_groups(gid_t real, gid_t effective, gid_t saved);

bool is_dumpable();
bool set_subreaper(bool on);

/// Becomes the tracer of a process, without stopping it.
bool trace(pid_t process);

/// Makes the parent the tracer of this process. It then stops at exec.
bool request_tracing();

/// Lets the kernel kill this process when its parent ends, if the system can.
void end_with_parent();

pid_t thread_id();
int last_processor();                ///< Of those that this process may use; -1 if the system does not say.
std::vector<int> realtime_signals(); ///< The first and the last one, if the system has any.

/// Becomes the user, and keeps the capabilities to change user and group IDs.
bool become_capable_user(uid_t id);

/// Undoes what a change of the user has done: processes of the user may read this process's memory and files in procfs.
bool become_dumpable();

/// Makes a capability inheritable.
bool make_inheritable(int capability);

/// Moves this process to a mount namespace whose mounts are propagated to others.
bool share_mounts();

/// Gives up a capability for ever.
bool drop_capability(int number);

/// Whether a change from root to another user keeps the capabilities.
bool keeps_capabilities();

/// Makes programs that a capable user executes keep its capabilities.
bool raise_ambient_capabilities();

/// Forks a child that exits with the code at once. `pidfd` becomes the child's, or stays -1.
pid_t fork_with_pidfd(int exit_code, int& pidfd);

/// fork(2) without the handlers of pthread_atfork(3), if the system has such a call.
pid_t fork_without_handlers();

/// mlockall(2) with MCL_FUTURE. Sanitizers make the function of the C library do nothing.
bool lock_new_memory();

} // namespace test::system

#endif
