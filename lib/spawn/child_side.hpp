// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_CHILD_SIDE_HPP
#define BROOD_LIB_SPAWN_CHILD_SIDE_HPP

#include "spawn/plan.hpp"

namespace brood::detail {

/// The step of a plan that failed; `error` is 0 if none did.
struct failure {
    int error;
    spawn_stage stage;
};

/// Lets another thread kill a child whose parent is suspended.
struct early_death {
    pid_t* pid;         ///< Set by the child; null if nobody asks for it.
    bool const* killed; ///< Set before `pid` is read.
};

/// The input and the output of the child side. It uses no container, because a container's functions could be linked
/// from code that is compiled with sanitizers.
struct child_args {
    step const* steps;
    std::size_t count;
    int report_fd = -1;             ///< Where a child with memory of its own reports a failure.
    int kept[4] = {-1, -1, -1, -1}; ///< Descriptors of the library that stay open until exec.
    bool is_unreported = false;     ///< The exec is not reported, so the parent cannot try again.
    bool may_lead_group = false;    ///< If the group that the child joins has ended.
    bool born_in_cgroup = false;    ///< The child was cloned into the plan's cgroup.
    pid_t guard = 0;                ///< The parent of a contained program.
    int gate = -1;                  ///< The ends of a pipe: see id_map_gate.hpp. -1: no ids are mapped.
    int gate_writer = -1;
    bool exec_self = false; ///< There is no child: this process carries out the steps.

    // For a child that shares its parent's memory.
    early_death early{nullptr, nullptr};
    bool yield_first = false;                              ///< The parent runs on and should keep its processor.
    os::raw::inherited_signals const* inherited = nullptr; ///< Set for such a child.
    int unshare_below =
        -1; ///< The descriptor table is shared, too: copy the descriptors below. -1: it is the child's own.
    bool has_begun = false; ///< Set by the child.
    failure report{};       ///< Set before the child exits.

    explicit child_args(std::vector<step> const& all) : child_args(all.data(), all.size()) {}
    child_args(step const* first, std::size_t number) : steps(first), count(number) {}
};

/// Carries out one step. Returns a value that is not negative, or -errno.
int run_step(step const& s, child_args const& args) noexcept;

/// Carries out the steps. Returns only if one has failed.
failure run_steps(child_args const& args) noexcept;

/// The entry of a child that shares its parent's memory. `args` is a `child_args*`.
void shared_child_main(void* args) noexcept;

/// The message of a forked child to its report channel after a failure.
struct wire_report {
    failure why;
    char footer[4];

    static constexpr char mark[4] = {'F', 'A', 'I', 'L'};
};

/// Writes a failure to the report channel. Returns false if the parent does not receive it.
bool report(int report_fd, failure why) noexcept;

/// Writes a failure to the report channel and ends the process.
[[noreturn]] void report_and_exit(int report_fd, failure why) noexcept;

/// Carries out the steps and writes a failure to the report channel.
[[noreturn]] void run_and_report(child_args const& args) noexcept;

/// The entry of a forked child, which has a channel to its parent.
[[noreturn]] void
forked_child_main(child_args const& args, os::raw::inherited_signals const& inherited, bool send_pidfd) noexcept;

} // namespace brood::detail

#endif
