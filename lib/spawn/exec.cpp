// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/signals.hpp"
#include "spawn/child_side.hpp"
#include "spawn/exec_strings.hpp"
#include "spawn/plan.hpp"

#include <brood/spawn.hpp>

namespace brood {

// After a failure the caller keeps its process, and wants to keep its descriptors: they are marked, not closed.
error_code exec(command const& cmd)
{
    if (auto error = detail::validate_parent_ends(cmd.data()); error.failed())
        return error;
    auto const plan = detail::make_plan(cmd);
    if (!plan)
        return plan.error();
    detail::child_args args(plan.value()->steps, os::blocked_signals());
    args.exec_self = true;
    args.unmapped = os::raw::close_mode::mark;
    auto const failure = detail::run_steps(args);
    return make_error_code(failure.stage, failure.error);
}

} // namespace brood
