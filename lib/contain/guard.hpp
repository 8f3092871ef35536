// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CONTAIN_GUARD_HPP
#define BROOD_LIB_CONTAIN_GUARD_HPP

#include "spawn/child_side.hpp"

#include <brood/resource_usage.hpp>

/// The guard of a contained program, and its messages.
/**
 * The guard is the relay (spawn/relay.hpp), which stays between the parent and the program. It is a subreaper: orphaned
 * descendants of the program become its children, so none of them escapes. A socket leads to the parent. If the parent
 * shuts its end down or dies, or if the program ends, the guard kills and reaps every descendant and then ends as the
 * program has ended. It has no C library and no memory but its own.
 */
namespace brood::detail {

/// The guard's first message, with the program's pidfd. It is sent before the parent can see that the program runs.
struct guard_start {
    pid_t program;
};

/// The guard's last message, after everybody is gone.
struct guard_report {
    int status; ///< The program's wait status.
    resource_usage usage;
};

/// Starts the program's process and returns in it. In the guard, it never returns. `parent` is the guard's.
/**
 * The program has copies of the arguments and the environment; those of the guard are erased.
 */
void contain(child_args& args, int link, pid_t parent, char** arguments, char** environment) noexcept;

} // namespace brood::detail

#endif
