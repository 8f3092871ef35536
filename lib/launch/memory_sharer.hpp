// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_MEMORY_SHARER_HPP
#define BROOD_LIB_LAUNCH_MEMORY_SHARER_HPP

#include "launch/backend.hpp"
#include "launch/child_side.hpp"
#include "launch/stack_pool.hpp"
#include "os/clone.hpp"
#include "os/signals.hpp"

#include <vector>

namespace brood::launch {

/// A child between clone and exec in this process's memory, and what it uses there beside the plan.
/**
 * Neither the plan, nor the steps, nor this may end before the child has left: by its exec, or by its end.
 */
class memory_sharer {
public:
    /// The steps are the plan's own, or others in their stead.
    memory_sharer(plan const& p, std::vector<step> const& steps, pooled_stack stack) noexcept;

    memory_sharer(memory_sharer const&) = delete; // the child has its address
    memory_sharer& operator=(memory_sharer const&) = delete;

    /// What becomes of descriptors that the plan does not name.
    void set_disposal(os::raw::disposal how) noexcept { child_.args.unmapped = how; }

    enum class parent { waits, goes_on };

    /// Makes the child, once. A parent that waits goes on when the child has left.
    /**
     * The caller has blocked all signals, or a handler could run in the child, on the parent's memory. Unless the
     * plan names another one, the child gets the mask that was there before.
     */
    result<launched> clone(parent what, pidfd_wish wish, os::signal_block const& blocked) noexcept;

    /// Why the child has stopped; once it has left.
    error_code told() const noexcept;

private:
    plan const& plan_;
    std::vector<step> const& steps_;
    pooled_stack stack_;
    os::clone_request request_;
    shared_child child_;
};

} // namespace brood::launch

#endif
