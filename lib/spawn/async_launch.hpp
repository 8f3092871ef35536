// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_ASYNC_LAUNCH_HPP
#define BROOD_LIB_SPAWN_ASYNC_LAUNCH_HPP

#include "spawn/backend.hpp"

#include <memory>
#include <optional>

namespace brood::detail {

/// A plan that is carried out while the calling thread continues.
class async_launch {
public:
    virtual ~async_launch() = default;

    /// Returns the child once, as soon as it exists. The caller reaps it, even if the launch fails.
    /**
     * The child uses this object's memory until the launch has finished.
     */
    virtual std::optional<spawned_child> take_child() noexcept = 0;

    /// Whether only one of the backends has been tried.
    virtual bool tries_one_backend() const noexcept = 0;

    /// Why the program was not executed. Valid after the launch has finished.
    virtual error_code outcome() const noexcept = 0;

    /// Kills a child that has not been taken, now or when it exists, so that the launch finishes.
    /**
     * Not while posix_spawn(3) waits for the child: its pid is not known then.
     */
    virtual void kill() noexcept = 0;

    /// Kills and reaps a child that has not been taken, now or when it exists.
    virtual void abandon() noexcept = 0;
};

using async_launch_result = result<std::shared_ptr<async_launch>>;

/// Starts to carry out a plan whose `initiator_mask` is set. The launch has finished when every copy of `exec_pipe`, a
/// pipe's write end, has been closed.
async_launch_result
start_async_launch(std::shared_ptr<plan> p, spawn_backend choice, pidfd_mode mode, os::private_fd exec_pipe);

/// Starts a child whose exec is not reported. The outcome is known when the child has ended.
/**
 * Null if the plan needs a report, or if the child could not be created: `start_async_launch` does more.
 */
std::shared_ptr<async_launch> launch_unreported(std::shared_ptr<plan const> p, spawn_backend choice, pidfd_mode mode);

/// Whether the plan refers to the thread that initiates the launch.
bool requires_calling_thread(plan const& p) noexcept;

/// Calls `launch` on a thread of its own.
async_launch_result
launch_on_thread(std::shared_ptr<plan> p, spawn_backend choice, pidfd_mode mode, os::private_fd exec_pipe);

/// Clones a child that shares this process's memory, without waiting for its exec.
/**
 * Without `exec_pipe`, the exec is not reported. A failure leaves `exec_pipe` open for another attempt.
 */
async_launch_result clone_async(std::shared_ptr<plan const> p, pidfd_mode mode, os::private_fd& exec_pipe);

} // namespace brood::detail

#endif
