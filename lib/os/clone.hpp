// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_CLONE_HPP
#define BROOD_LIB_OS_CLONE_HPP

#include <cstddef>

#include <sys/types.h>

namespace brood::os {

/// A child that shares this process's memory until its exec or exit.
struct clone_request {
    void (*entry)(void*) noexcept; ///< Never returns. It must be built without sanitizers.
    void* argument;
    void* stack;
    std::size_t stack_size;
    bool want_pidfd;
    int cgroup = -1;                ///< The folder of the cgroup to be born in, if any.
    bool wait = true;               ///< The calling thread stands still until the child has left the memory.
    bool share_descriptors = false; ///< The child has no copies of them, but the parent's own, until it makes some.

    int pidfd = -1;
    /// Set before the child starts: its signal handlers are still this process's.
    bool handlers_kept = false;
};

/// Makes the child; the caller has all signals blocked. Gives its pid, or -errno.
pid_t clone_sharing_memory(clone_request& request) noexcept;

/// Whether a child can end the sharing of descriptors at little cost: see `raw::unshare_descriptors`.
bool can_unshare_descriptors() noexcept;

/// Whether the platform has such children, and the process doesn't run in an emulator that copies the memory.
bool can_clone_sharing_memory() noexcept;

/// Whether the process runs in an emulator that turns vfork into fork, as Valgrind and QEMU do: memory is not shared.
bool vfork_is_fork() noexcept;

} // namespace brood::os

#endif
