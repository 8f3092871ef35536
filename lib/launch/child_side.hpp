// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_CHILD_SIDE_HPP
#define BROOD_LIB_LAUNCH_CHILD_SIDE_HPP

#include "launch/plan.hpp"

namespace brood::launch {

/// Why a plan stopped; `error` is 0 where it did not.
struct failure {
    int error;
    spawn_stage stage;
};

/// What the child side needs of a plan, without a container that would bring code along.
struct child_args {
    step const* steps;
    std::size_t count;
    os::raw::signal_bits inherited_mask;
    int report_fd = -1;          ///< Stays open until exec, whatever the plan closes.
    bool born_in_cgroup = false; ///< It need not enter the one that the plan names.
    int kept_below = -1;         ///< It shares descriptors, too, and takes those below this number; -1: it has its own.
    bool in_place = false;       ///< There is no child: this process takes the steps itself.
    os::raw::disposal unmapped = os::raw::disposal::mark_or_close;

    child_args(std::vector<step> const& all, os::raw::signal_bits mask) : child_args(all.data(), all.size(), mask) {}
    child_args(step const* first, std::size_t number, os::raw::signal_bits mask)
        : steps(first), count(number), inherited_mask(mask)
    {}
};

/// Takes the steps. Returns only when one has failed.
failure run_steps(child_args const& args) noexcept;

/// A child that shares its parent's memory: the argument of `shared_child_main`.
struct shared_child {
    child_args args;
    bool const* handlers_kept; ///< Whether the child must drop the parent's signal handlers itself.
    bool parent_first = false; ///< The parent goes on meanwhile, and shall not lose its processor to the child.
    failure report{};          ///< Set before the child exits.
};

/// The entry of such a child: takes the steps, reports, exits.
void shared_child_main(void* argument) noexcept;

/// What a forked child writes to its report channel on failure.
struct wire_report {
    failure why;
    char footer[4];

    static constexpr char mark[4] = {'F', 'A', 'I', 'L'};
};

/// Takes the steps, and writes a failure to the report channel.
[[noreturn]] void run_and_report(child_args const& args) noexcept;

/// What a forked child does with a channel to its parent.
[[noreturn]] void forked_child_main(child_args const& args, bool send_pidfd) noexcept;

} // namespace brood::launch

#endif
