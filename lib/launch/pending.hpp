// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_PENDING_HPP
#define BROOD_LIB_LAUNCH_PENDING_HPP

#include "launch/backend.hpp"
#include "os/signals.hpp"

#include <memory>
#include <optional>

namespace brood::launch {

/// A plan that is being run while the calling thread goes on.
class pending_launch {
public:
    virtual ~pending_launch() = default;

    /// The child, once: as soon as it is known, which may be from the start on. Whoever takes it reaps it, also when
    /// the launch fails. It uses this object's memory until the launch has settled.
    virtual std::optional<launched> take_child() noexcept = 0;

    /// Why there is no program running; to be asked when the launch has settled.
    virtual error_code outcome() const noexcept = 0;

    /// Nobody takes the child from here on, if it has not become known by now.
    virtual void abandon() noexcept = 0;
};

using pending_result = result<std::shared_ptr<pending_launch>>;

/// Starts to run a plan. It has settled when every copy of `telling`, the writing end of a pipe, has been closed.
pending_result start_launch(std::shared_ptr<plan> p, spawn_backend choice, pidfd_wish wish, os::unique_fd telling);

/// The same by a thread that calls `launch`. The plan has been told the mask that the child shall get.
pending_result launch_on_thread(std::shared_ptr<plan> p, spawn_backend choice, pidfd_wish wish, os::unique_fd telling);

/// The same by a child that shares this process's memory, which the calling thread does not wait for.
/**
 * `telling` stays open where this fails, for somebody else's attempt.
 */
pending_result launch_unwaited(
    std::shared_ptr<plan const> p, pidfd_wish wish, os::signal_block const& blocked, os::unique_fd& telling);

} // namespace brood::launch

#endif
