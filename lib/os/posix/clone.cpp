// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/clone.hpp"

#include <cerrno>

namespace brood::os {

pid_t clone_sharing_memory(clone_request&) noexcept { return -ENOSYS; }
bool can_unshare_descriptors() noexcept { return false; }
bool can_clone_sharing_memory() noexcept { return false; }
bool vfork_is_fork() noexcept { return false; }

} // namespace brood::os
