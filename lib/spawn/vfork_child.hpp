// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_VFORK_CHILD_HPP
#define BROOD_LIB_SPAWN_VFORK_CHILD_HPP

#include "os/clone.hpp"
#include "os/signals.hpp"
#include "spawn/backend.hpp"
#include "spawn/child_side.hpp"
#include "spawn/stack_pool.hpp"

#include <vector>

namespace brood::detail {

/// A child that shares this process's memory until its exec, and the memory that it uses.
/**
 * The plan, the steps and this object must exist until the child has left the memory by its exec or its exit.
 */
class vfork_child {
public:
    /// The steps are the plan's or replace them.
    vfork_child(plan const& p, std::vector<step> const& steps, pooled_stack stack) noexcept;

    vfork_child(vfork_child const&) = delete; // the child has its address
    vfork_child& operator=(vfork_child const&) = delete;

    enum class parent { waits, runs_on };

    /// Creates the child. Called once. A parent that waits returns after the child has left the memory.
    /**
     * The caller has blocked all signals; otherwise a handler could run in the child, on the parent's memory. The child
     * gets the mask from before, unless the plan sets one.
     */
    result<spawned_child> clone(parent behaviour, pidfd_mode mode, os::signal_block const& blocked) noexcept;

    /// Why the child has failed. Valid after it has left the memory.
    error_code outcome() const noexcept;

private:
    plan const& plan_;
    std::vector<step> const& steps_;
    pooled_stack stack_;
    os::clone_request request_;
    child_args args_;
};

} // namespace brood::detail

#endif
