// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_WAYS_LEAST_CHILD_HPP
#define BROOD_BENCH_WAYS_LEAST_CHILD_HPP

#include <cstddef>
#include <string>

#include <sys/types.h>

namespace bench {

constexpr std::size_t least_stack_size = 16 * 1024;

/// Clones and executes, no more; gives the child's pidfd, too. Its stack may be used again once it has executed, which
/// is at once for a parent that stands still.
///
/// It leaves out what a library owes its users: signals blocked across the clone, descriptors closed in the child, a
/// failed exec told to the parent.
pid_t start_least_child(std::string const& program, char* stack, bool stand_still, int& pidfd);

} // namespace bench

#endif
