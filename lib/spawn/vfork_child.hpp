// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_VFORK_CHILD_HPP
#define BROOD_LIB_SPAWN_VFORK_CHILD_HPP

#include "os/clone.hpp"
#include "os/signals.hpp"
#include "spawn/backend.hpp"
#include "spawn/child_side.hpp"
#include "spawn/relay.hpp"
#include "spawn/stack_pool.hpp"

#include <optional>
#include <vector>

namespace brood::detail {

/// A child that shares this process's memory until its exec, and the memory that it uses.
/**
 * The plan and this object must exist until the child has left the memory by its exec or its exit. If the plan changes
 * credentials or contains the program, the child executes the relay first.
 */
class vfork_child {
public:
    explicit vfork_child(plan const& p) noexcept : plan_(p) {}

    vfork_child(vfork_child const&) = delete; // the child has its address
    vfork_child& operator=(vfork_child const&) = delete;

    enum class parent { waits, runs_on };

    /// Creates the child. Called once. A parent that waits returns after the child has left the memory.
    /**
     * It keeps `exec_pipe` until it executes the program. Without one, the exec is not reported, and the child itself
     * tries again if the program is busy. A plan with namespaces requires a parent that runs on.
     */
    result<spawned_child> clone(parent behaviour, pidfd_mode mode, int exec_pipe = -1);

    /// The child, whose exec is not reported, uses `rest`. Called after `clone`.
    void return_stack(std::weak_ptr<child_memory> rest) noexcept;

    /// The child gets a copy of every descriptor, even of those that no step names. Called before `clone`.
    void copy_all_descriptors() noexcept { copies_all_ = true; }

    /// Called before `clone`, for a parent that waits. The parent disarms the switch afterwards.
    void kill_by(kill_switch& other) noexcept { kill_switch_ = &other; }

    /// Why the child has failed. Called after it has left the memory; waits for the relay.
    error_code outcome() const noexcept;

private:
    pid_t clone_blocking_signals(bool pidfd_is_optional) noexcept;
    std::vector<step> const& steps() const noexcept { return relay_ ? relay_->steps() : plan_.steps; }

    plan const& plan_;
    kill_switch* kill_switch_ = nullptr;
    bool copies_all_ = false;
    std::shared_ptr<guard_link> guard_; // if the program is contained
    std::optional<relay_launch> relay_;
    std::optional<pooled_stack> stack_;
    os::clone_request request_{};
    child_args args_{nullptr, 0};
};

} // namespace brood::detail

#endif
