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
    static result<report_channel> create(plan const& p) noexcept;

    int parent_end() const noexcept { return ends_.first.get(); }
    int child_end() const noexcept { return ends_.second.get(); }

    /// Called in the parent after the child has been created.
    void close_child_end() noexcept { ends_.second.reset(); }

    struct outcome {
        bool reported; ///< By the child, which then exits.
        error_code failure;
    };

    /// Waits for the child's report.
    outcome read() const noexcept;

private:
    explicit report_channel(os::fd_pair ends) noexcept : ends_(std::move(ends)) {}

    os::fd_pair ends_;
};

/// Moves a descriptor above all those that the plan sets up.
error_code move_above_targets(os::unique_fd& fd, plan const& p) noexcept;

} // namespace brood::detail

#endif
