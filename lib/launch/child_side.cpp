// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Everything here runs between clone and exec: see os/raw.hpp for what that forbids. No function of a standard
// container is called, since the linker could take one that another file compiled with a sanitizer.
#include "launch/child_side.hpp"

#include "launch/search.hpp"

#include <cerrno>

namespace brood::launch {
namespace {

namespace raw = os::raw;

int execute(exec_target const& target) noexcept
{
    int told = 0;
    for (auto path = target.candidates; *path; ++path) {
        int const error = -raw::execute(*path, target.argv, target.envp);
        if (!is_passed_over(error))
            return -error;
        told = telling(told, error);
    }
    return -told;
}

int dispose_range(int first, int last, child_args const& args) noexcept
{
    if (args.kept_below >= 0 && args.kept_below <= first)
        return 0; // they are gone already
    int const spared = args.report_fd;
    if (spared < first || spared > last)
        return raw::dispose_range(first, last, args.unmapped);
    int outcome = 0;
    if (spared > first)
        outcome = raw::dispose_range(first, spared - 1, args.unmapped);
    if (outcome >= 0 && spared < last)
        outcome = raw::dispose_range(spared + 1, last, args.unmapped);
    return outcome;
}

template <class T>
T const& as(void const* data) noexcept
{
    return *static_cast<T const*>(data);
}

int take(step const& s, child_args const& args) noexcept
{
    switch (s.what) {
    case action::enter_cgroup: return args.born_in_cgroup ? 0 : raw::enter_cgroup(s.a);
    case action::set_session: return raw::set_session();
    case action::set_terminal: return raw::set_terminal(s.a);
    case action::set_group: return raw::set_process_group(s.a);
    case action::move_fd: return raw::duplicate(s.a, s.b);
    case action::close_range: return dispose_range(s.a, s.b, args);
    case action::set_umask: return raw::set_umask(static_cast<mode_t>(s.a));
    case action::set_limit: {
        auto const& limit = as<detail::resource_limit>(s.data);
        return raw::set_limit(limit.resource, limit.soft, limit.hard);
    }
    case action::add_nice: return raw::add_nice(s.a);
    case action::set_affinity: return raw::set_affinity(static_cast<std::size_t>(s.a), s.data);
    case action::set_groups: return raw::set_groups(static_cast<std::size_t>(s.a), static_cast<gid_t const*>(s.data));
    case action::set_gid: return raw::set_group(as<gid_t>(s.data));
    case action::set_uid: return raw::set_user(as<uid_t>(s.data));
    case action::no_new_privs: return raw::no_new_privileges();
    case action::set_death_signal: return raw::set_death_signal(s.a, args.in_place ? raw::parent() : s.b);
    case action::change_directory: return raw::change_directory(static_cast<char const*>(s.data));
    case action::default_signals: return raw::default_signals(as<raw::signal_bits>(s.data));
    case action::set_mask: return raw::set_mask(s.data ? as<raw::signal_bits>(s.data) : args.inherited_mask);
    case action::call_hook: {
        auto const& hook = as<hook_call>(s.data);
        return -hook.call(hook.argument);
    }
    case action::execute: return execute(as<exec_target>(s.data));
    case action::execute_image: {
        auto const& target = as<exec_target>(s.data);
        return raw::execute_image(s.a, target.argv, target.envp);
    }
    }
    return -EINVAL;
}

// Where a filter refuses to copy only some, all are copied, and the steps close the rest.
int own_descriptors(child_args& args) noexcept
{
    if (args.kept_below < 0 || raw::unshare_descriptors(args.kept_below) == 0)
        return 0;
    args.kept_below = -1;
    return raw::unshare_all_descriptors();
}

constexpr int failed_child = 127; // as a shell says it; nobody should see it

} // namespace

failure run_steps(child_args const& args) noexcept
{
    for (std::size_t i = 0; i < args.count; ++i)
        if (int const outcome = take(args.steps[i], args); outcome < 0)
            return {-outcome, args.steps[i].stage};
    return {EINVAL, spawn_stage::prepare}; // no plan ends without an exec
}

void shared_child_main(void* argument) noexcept
{
    auto& child = *static_cast<shared_child*>(argument);
    if (child.parent_first)
        raw::yield();
    if (*child.handlers_kept)
        raw::default_handlers();
    int const owned = own_descriptors(child.args);
    child.report = owned < 0 ? failure{-owned, spawn_stage::clone} : run_steps(child.args);
    raw::exit_now(failed_child);
}

void run_and_report(child_args const& args) noexcept
{
    wire_report report{run_steps(args), {}};
    for (int i = 0; i < 4; ++i)
        report.footer[i] = wire_report::mark[i];
    raw::write(args.report_fd, &report, sizeof report);
    raw::exit_now(failed_child);
}

void forked_child_main(child_args const& args, bool send_pidfd) noexcept
{
    if (send_pidfd)
        raw::send_own_pidfd(args.report_fd);
    raw::default_handlers();
    run_and_report(args);
}

} // namespace brood::launch
