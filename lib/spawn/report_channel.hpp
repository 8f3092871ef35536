// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_REPORT_CHANNEL_HPP
#define BROOD_LIB_SPAWN_REPORT_CHANNEL_HPP

#include "os/descriptors.hpp"
#include "spawn/plan.hpp"

namespace brood::detail {

/// Reports the failure of a child that shares no memory. The child's exec closes the channel, which reports success.
class report_channel {
public:
    /// The child's end is above every descriptor that the plan sets up. Otherwise the plan could overwrite it, and a
    /// failed exec would be taken for success.
    static result<report_channel> create(plan const& p);

    int child_end() const noexcept { return child_end_.get(); }

    /// Called in the parent after the child has been created.
    void close_child_end() noexcept { child_end_.reset(); }

    struct outcome {
        os::unique_fd pidfd; ///< If the child has passed it.
        bool reported;       ///< The failure has been reported by the child, which then exits.
        error_code failure;
    };

    /// Waits for the child's exec or failure.
    outcome read() const noexcept;

private:
    report_channel(os::unique_fd parent_end, os::private_fd child_end) noexcept
        : parent_end_(std::move(parent_end)), child_end_(std::move(child_end))
    {}

    os::unique_fd parent_end_;
    os::private_fd child_end_;
};

/// Moves a descriptor above all those that the plan sets up.
error_code move_above_targets(os::private_fd& fd, plan const& p);

} // namespace brood::detail

#endif
