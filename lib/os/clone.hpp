// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_CLONE_HPP
#define BROOD_LIB_OS_CLONE_HPP

#include "os/raw.hpp"

#include <cstddef>
#include <cstdint>

#include <sys/types.h>

namespace brood::os {

/// The arguments of `clone_sharing_memory`. The child shares the memory of this process until it calls exec or exits.
struct clone_request {
    void (*entry)(void*) noexcept; ///< Never returns. Must be compiled without sanitizers.
    void* argument;
    void* stack;
    std::size_t stack_size;
    bool want_pidfd;
    int cgroup = -1;                ///< The directory of the cgroup in which the child starts; -1: the parent's cgroup.
    std::uint64_t namespaces = 0;   ///< Those in which the child starts: flags of os/namespaces.hpp.
    bool wait = true;               ///< Suspends the calling thread until the child has called exec or exited.
    int* in_use = nullptr;          ///< Set to 1, and to 0 at that time. For a caller that does not wait.
    bool share_descriptors = false; ///< The child shares the parent's descriptor table until it unshares it.

    int pidfd = -1;
    raw::inherited_signals inherited = {}; ///< Set before the child starts.
};

/// Creates the child and returns its pid, or -errno.
/**
 * No handler runs in the child: the system call resets them, or all signals are blocked until `inherited` is undone.
 */
pid_t clone_sharing_memory(clone_request& request) noexcept;

/// Whether `raw::unshare_descriptors` is available.
bool can_unshare_descriptors() noexcept;

/// Whether `clone_sharing_memory` is supported: on x86-64 and aarch64, but not in an emulator that copies the memory.
bool can_clone_sharing_memory() noexcept;

/// Whether the process runs in an emulator that implements vfork as fork (Valgrind, QEMU): memory is not shared.
bool vfork_is_fork() noexcept;

} // namespace brood::os

#endif
