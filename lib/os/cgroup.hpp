// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_CGROUP_HPP
#define BROOD_LIB_OS_CGROUP_HPP

#include "os/unique_fd.hpp"

#include <brood/result.hpp>

namespace brood::os {

/// Opens the directory of a cgroup v2. EINVAL: the directory is not a cgroup.
result<unique_fd> open_cgroup(char const* path) noexcept;

/// Sends SIGKILL to every process in the cgroup and in the cgroups below. Does nothing on kernels before 5.14.
result<void> kill_cgroup(int directory) noexcept;

} // namespace brood::os

#endif
