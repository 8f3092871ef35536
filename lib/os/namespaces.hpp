// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_NAMESPACES_HPP
#define BROOD_LIB_OS_NAMESPACES_HPP

#include <brood/isolation.hpp>

#include <cstdint>
#include <string>

#include <sys/types.h>

namespace brood::os {

/// Whether the system has namespaces.
bool knows_namespaces() noexcept;

/// The flag of clone(2) for a kind of namespace; 0 if the kind does not exist.
std::uint64_t namespace_flag(ns kind) noexcept;

/// The content of the files `uid_map` and `gid_map` of a process (user_namespaces(7)).
struct id_maps {
    std::string users, groups;
    bool deny_setgroups = false; ///< Required if this process may not change its groups.
};

/// Maps the ids of the user namespace in which a child of this process was created. Returns an errno or 0.
int write_id_maps(pid_t child, id_maps const& maps) noexcept;

/// fork(2) by a raw system call: the child is in new namespaces. Handlers of pthread_atfork(3) do not run.
pid_t fork_in_namespaces(std::uint64_t flags) noexcept;

} // namespace brood::os

#endif
