// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_CGROUP_HPP
#define BROOD_LIB_OS_CGROUP_HPP

#include "os/unique_fd.hpp"

#include <brood/result.hpp>
#include <brood/tree_usage.hpp>

#include <string>
#include <string_view>

namespace brood::os {

/// Opens the directory of a cgroup v2. EINVAL: the directory is not a cgroup.
result<unique_fd> open_cgroup(char const* path) noexcept;

/// Sends SIGKILL to every process in the cgroup and in the cgroups below. Does nothing on kernels before 5.14.
result<void> kill_cgroup(int directory) noexcept;

/// The path of the cgroup v2 of this process. Fails if this process may not move processes from there to cgroups below.
result<std::string> own_cgroup();

/// Creates a cgroup. Its name is relative to the directory of another one.
result<void> create_cgroup(int directory, char const* name) noexcept;

/// Removes a cgroup and the cgroups below. EBUSY: a process is left.
result<void> remove_cgroup(int directory, char const* name) noexcept;

result<unique_fd> open_cgroup_in(int directory, char const* name) noexcept;

/// The descriptor for `kill_cgroup_by`, which works also if this process has given up rights since, or has no
/// descriptor left.
result<unique_fd> open_cgroup_kill(int directory, char const* name) noexcept;
result<void> kill_cgroup_by(int descriptor) noexcept;

/// Fails unless processes may be in a new cgroup, and can all be killed at once.
error_code check_usable_cgroup(int directory) noexcept;

/// Opens `cgroup.events`, which reports whether a process is in the cgroup or below. A change is an exceptional condition
/// of poll(2).
result<unique_fd> open_cgroup_events(int directory, char const* name) noexcept;
result<bool> is_populated(int events) noexcept;

/// Blocks until the file has changed since it was last read.
void wait_for_change(int events) noexcept;

/// Writes one of the cgroup's files, such as `memory.max`.
result<void> set_in_cgroup(int directory, char const* file, std::string_view value) noexcept;

/// Counts separately what each cgroup below uses of memory and processes. Returns whether the system lets this process
/// do so.
bool enable_counters(int directory) noexcept;

/// What the processes of a cgroup and of the cgroups below have used. `all`: not only the processor time.
tree_usage read_usage(int directory, bool all) noexcept;

} // namespace brood::os

#endif
