// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_CGROUP_HPP
#define BROOD_LIB_OS_CGROUP_HPP

#include "os/unique_fd.hpp"

#include <brood/result.hpp>

namespace brood::os {

/// Opens a cgroup v2 folder; EINVAL for any other.
result<unique_fd> open_cgroup(char const* path) noexcept;

/// Sends SIGKILL to all that is in the cgroup and below. Does nothing where the kernel can't (before 5.14).
result<void> kill_cgroup(int folder) noexcept;

} // namespace brood::os

#endif
