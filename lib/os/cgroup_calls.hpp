// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_CGROUP_CALLS_HPP
#define BROOD_LIB_OS_CGROUP_CALLS_HPP

/// What the library and the watchdog (contain/watchdog.hpp) do to cgroups. Linux only. The functions return -errno on
/// failure.
namespace brood::os::raw {

/// Sends SIGKILL to every process in the cgroup and in the cgroups below. -ENOENT: the kernel is older than 5.14.
int kill_cgroup(int directory) noexcept;

/// Whether a process is in the cgroup or in a cgroup below. `events` is its file `cgroup.events`.
int is_populated(int events) noexcept;

int open_events(int directory, char const* cgroup) noexcept;

/// Creates a cgroup below and opens its directory.
int create_cgroup(int directory, char const* cgroup) noexcept;
int open_cgroup(int directory, char const* cgroup) noexcept;

/// The descriptor that `kill_by` needs. It stays valid if this process gives up rights.
int open_kill(int directory, char const* cgroup) noexcept;
int kill_by(int descriptor) noexcept;

/// Removes a cgroup and the cgroups below. -EBUSY: a process is left.
int remove_cgroup(int directory, char const* cgroup) noexcept;

} // namespace brood::os::raw

#endif
