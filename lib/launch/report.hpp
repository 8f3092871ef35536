// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_REPORT_HPP
#define BROOD_LIB_LAUNCH_REPORT_HPP

#include "launch/plan.hpp"
#include "os/descriptors.hpp"

namespace brood::launch {

/// Where a child that shares no memory tells its failure. Its exec closes the channel, which tells success.
class report_channel {
public:
    /// The child's end is out of the way of every descriptor that the plan sets up: else a failed exec would read
    /// as success.
    static result<report_channel> make(plan const& p) noexcept;

    int ours() const noexcept { return ends_.first.get(); }
    int childs() const noexcept { return ends_.second.get(); }

    /// Gives a child its end: to be called in the parent once the child has been made.
    void close_childs() noexcept { ends_.second.reset(); }

    struct outcome {
        bool told; ///< By the child, which then exits.
        error_code why;
    };

    /// Waits for the child's word.
    outcome read() const noexcept;

private:
    explicit report_channel(os::fd_pair ends) noexcept : ends_(std::move(ends)) {}

    os::fd_pair ends_;
};

/// Moves a descriptor above all those that the plan sets up.
error_code move_out_of_the_way(os::unique_fd& fd, plan const& p) noexcept;

} // namespace brood::launch

#endif
