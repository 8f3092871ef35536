// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_SPAWNERS_MINIMAL_CHILD_HPP
#define BROOD_BENCH_SPAWNERS_MINIMAL_CHILD_HPP

#include <cstddef>
#include <string>

#include <sys/types.h>

namespace bench {

constexpr std::size_t minimal_stack_size = 16 * 1024;

/// Starts a child by clone(2) and execve(2) alone, and sets `pidfd`. Returns the pid.
/**
 * The child uses `stack` until it has executed the program. With `vfork` that is before the function returns.
 *
 * Unlike a library, it does not block signals across the clone, does not close descriptors in the child, and does not
 * report a failed exec.
 */
pid_t spawn_minimal_child(std::string const& program, char* stack, bool vfork, int& pidfd);

} // namespace bench

#endif
