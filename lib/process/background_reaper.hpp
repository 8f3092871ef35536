// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_BACKGROUND_REAPER_HPP
#define BROOD_LIB_PROCESS_BACKGROUND_REAPER_HPP

#include "contain/containment.hpp"
#include "os/unique_fd.hpp"
#include "process/pid_owners.hpp"

#include <memory>

#include <sys/types.h>

namespace brood::detail {

class child_state;

/// A child that no object owns any more and that has not been reaped.
struct unreaped_child {
    pid_t pid;
    os::unique_fd pidfd;
    lost_flag lost;                         ///< If there is no pidfd.
    std::unique_ptr<containment> contained; ///< Null if it is not contained and has no cgroup of its own.
    bool kills_group;                       ///< The group that the child leads is killed at its end.
    bool killed;                            ///< SIGKILL has been sent.
    std::shared_ptr<void const> memory;     ///< Memory of this process that the child may still use.
};

/// Reaps the child when it ends, on an event loop of the library.
/**
 * That loop outlives every execution context and keeps none of them running. Its thread runs while it has children.
 */
void reap_in_background(unreaped_child child) noexcept;

/// Ends what a child leaves in its cgroup when the child has ended, also while nothing waits for the child. Does not reap the child.
/**
 * Without a thread or a descriptor, or if epolls cannot be nested, this is left to the next wait.
 */
void end_rest_in_background(child_state& child) noexcept;

/// Gives the background reaper another chance if it could not create its thread: reaps the children that have ended.
void reap_background_children() noexcept;

/// Whether the background reaper has children that its thread watches.
bool is_reaping_in_background() noexcept;

} // namespace brood::detail

#endif
