// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/credentials.hpp"
#include "os/files.hpp"
#include "os/saved_process.hpp"
#include "spawn/child_side.hpp"
#include "spawn/exec_search.hpp"
#include "spawn/exec_strings.hpp"
#include "spawn/plan.hpp"

#include <brood/spawn.hpp>

#include <cerrno>

namespace brood {
namespace detail {
namespace {

// The failures that need no change of this process to be known: the directory or the program does not exist.
error_code find_failure(plan const& p)
{
    if (!p.root.empty())
        return {}; // the paths belong to another root
    if (!p.directory.empty())
        if (int const error = os::missing_error(p.directory.c_str()); error != 0)
            return make_error_code(spawn_stage::directory, error);
    int result = 0;
    for (auto path = p.target.candidates; *path; ++path) {
        bool const same_path = (*path)[0] == '/' || p.directory.empty();
        int const error = same_path ? os::missing_error(*path) : 0;
        if (error == 0)
            return {};
        result = pick_exec_error(result, error);
    }
    return make_error_code(spawn_stage::exec, result);
}

// The other threads exist until the exec: libc changes their credentials, too.
int run_exec_step(step const& s, child_args const& args) noexcept
{
    switch (s.what) {
    case action::set_groups:
        return os::set_groups_of_process(static_cast<std::size_t>(s.a), static_cast<gid_t const*>(s.data));
    case action::set_gid: return os::set_group_of_process(*static_cast<gid_t const*>(s.data));
    case action::set_uid: return os::set_user_of_process(*static_cast<uid_t const*>(s.data));
    default: return run_step(s, args);
    }
}

} // namespace
} // namespace detail

// After a failure the caller keeps its process, and its descriptors: they are marked, not closed.
error_code exec(command const& cmd)
{
    if (auto error = detail::validate_parent_ends(cmd.data()); error.failed())
        return error;
    if (cmd.data().contained || cmd.data().scope || cmd.data().kill_group_at_end)
        return make_error_code(spawn_stage::prepare, ENOTSUP); // nothing would be left to end the descendants
    if (!cmd.data().namespaces.empty())
        return make_error_code(spawn_stage::prepare, ENOTSUP); // this process would stay there if the exec fails
    if (cmd.data().foreground)
        return make_error_code(spawn_stage::prepare, EINVAL); // nothing would restore the terminal
    auto const plan = detail::make_plan(cmd);
    if (!plan)
        return plan.error();
    if (auto error = detail::find_failure(*plan.value()); error.failed())
        return error;
    os::saved_process saved;
    detail::child_args args(plan.value()->steps);
    args.exec_self = true;
    for (auto const& step : plan.value()->steps)
        if (int const outcome = detail::run_exec_step(step, args); outcome < 0) {
            saved.restore();
            return make_error_code(step.stage, -outcome);
        }
    return make_error_code(spawn_stage::prepare, EINVAL); // every plan ends with an exec
}

} // namespace brood
