// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BACKEND_HPP
#define BROOD_BACKEND_HPP

#include <brood/detail/export.hpp>

#include <iosfwd>

namespace brood {

/// How the new process is created. See `command::backend`.
enum class spawn_backend {
    automatic,   ///< The cheapest backend that supports the command and that the system allows.
    posix_spawn, ///< posix_spawn(3).
    vfork,       ///< clone3(2) with shared memory. The cost does not depend on the parent's memory.
    fork,        ///< fork(2). Supports every command; the cost grows with the parent's memory.
};

/// How the exit of the child is detected. See `command::watcher`.
enum class exit_watcher {
    automatic, ///< `pidfd` if the system has it, else `sigchld`.
    pidfd,     ///< The child's pidfd is registered with the reactor. See pidfd_open(2).
    sigchld,   ///< A SIGCHLD handler writes to a pipe. If every thread blocks SIGCHLD, exits are up to 250 ms late.
};

/// Prints the name of the value.
BROOD_API std::ostream& operator<<(std::ostream& out, spawn_backend backend);
/// Prints the name of the value.
BROOD_API std::ostream& operator<<(std::ostream& out, exit_watcher watcher);

} // namespace brood

#endif
