// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/fork.hpp"
#include "os/signals.hpp"
#include "spawn/backend.hpp"
#include "spawn/child_side.hpp"
#include "spawn/id_map_gate.hpp"
#include "spawn/kill_switch.hpp"
#include "spawn/report_channel.hpp"

#include <optional>
#include <vector>

namespace brood::detail {
namespace {

step const* fork_unsupported_step(plan const& p) { return is_contained(p) ? &p.steps.front() : nullptr; }

// The child enters the cgroup by itself.
spawn_stage stage_of_fork(plan const& p, int error) noexcept
{
    auto const stage = stage_of_clone(p, error);
    return stage == spawn_stage::cgroup ? spawn_stage::clone : stage;
}

// The private descriptors that the child needs.
std::vector<int> needed_fds(plan const& p, int report_fd)
{
    std::vector<int> needed{report_fd};
    for (auto const& s : p.steps)
        if (s.what == action::dup_fd || s.what == action::set_terminal || s.what == action::set_foreground)
            needed.push_back(s.a);
    return needed;
}

result<spawned_child> fork_launch(plan const& p, pidfd_mode mode, kill_switch* early_kill)
{
    auto created = report_channel::create(p);
    if (!created)
        return created.error();
    auto& channel = created.value();

    std::optional<id_map_gate> gate;
    if (p.id_maps) {
        auto opened = id_map_gate::create();
        if (!opened)
            return opened.error();
        gate = std::move(opened).value();
    }
    auto needed = needed_fds(p, channel.child_end());
    os::signal_block blocked;
    child_args args(p.steps);
    args.kept[0] = args.report_fd = channel.child_end();
    if (gate) // the fork closes the other end
        needed.push_back(args.gate = gate->child_end());
    os::raw::inherited_signals const inherited{true, sets_mask(p) ? os::raw::all_signals : blocked.previous()};
    pid_t const pid = os::fork_process(needed, p.namespaces);
    if (pid == 0)
        forked_child_main(args, inherited, mode != pidfd_mode::none);
    if (pid < 0)
        return make_error_code(stage_of_fork(p, -pid), -pid);
    channel.close_child_end();
    if (early_kill)
        early_kill->arm(pid);
    if (gate)
        gate->open(pid, *p.id_maps);
    auto outcome = channel.read();
    if (early_kill)
        early_kill->disarm();
    if (auto const failure = outcome.failure; failure.failed())
        return outcome.reported ? reap_failed_child(pid, failure) : kill_and_reap({pid}, failure);
    return ensure_pidfd({pid, std::move(outcome.pidfd)}, mode);
}

bool always() noexcept { return true; }

} // namespace

backend const fork_backend{spawn_backend::fork, always, fork_unsupported_step, fork_launch};

} // namespace brood::detail
