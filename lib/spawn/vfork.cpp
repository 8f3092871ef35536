// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/pipes.hpp"
#include "spawn/kill_switch.hpp"
#include "spawn/relay.hpp"
#include "spawn/vfork_child.hpp"

namespace brood::detail {
namespace {

step const* vfork_unsupported_step(plan const& p)
{
    bool const relayed = needs_relay(p) && can_relay(p);
    for (auto const& s : p.steps) {
        bool const writes = s.what == action::call_hook; // a hook may change the parent's memory
        if (writes || (requires_own_memory(s) && !relayed))
            return &s;
    }
    return nullptr;
}

// The child has left the memory.
result<spawned_child>
with_outcome(vfork_child const& child, spawned_child cloned, pidfd_mode mode, kill_switch* early_kill)
{
    auto const failure = child.outcome();
    if (early_kill)
        early_kill->disarm();
    if (failure.failed())
        return kill_and_reap(cloned, failure);
    return ensure_pidfd(std::move(cloned), mode);
}

// A parent that is suspended could neither map the ids of the child nor know its pid, which the child does not know.
result<spawned_child> launch_in_namespaces(plan const& p, pidfd_mode mode, kill_switch* early_kill)
{
    os::unique_fd executed;
    os::private_fd exec_pipe;
    {
        os::fork_block const block;
        auto pipe = os::make_pipe();
        if (!pipe)
            return make_error_code(spawn_stage::pipe, pipe.error().value());
        executed = std::move(pipe.value().first);
        exec_pipe = os::private_fd(std::move(pipe.value().second), block);
    }
    if (auto error = move_above_targets(exec_pipe, p); error.failed())
        return error;
    vfork_child child(p);
    auto cloned = child.clone(vfork_child::parent::runs_on, mode, exec_pipe.get());
    if (!cloned)
        return cloned;
    exec_pipe.reset(); // the child has its own copy
    if (early_kill)
        early_kill->arm(cloned.value().pid);
    os::wait_for_hangup(executed.get());
    return with_outcome(child, std::move(cloned).value(), mode, early_kill);
}

result<spawned_child> launch_suspended(plan const& p, pidfd_mode mode, kill_switch* early_kill, bool copies_all)
{
    vfork_child child(p);
    if (copies_all)
        child.copy_all_descriptors();
    if (early_kill)
        child.kill_by(*early_kill);
    auto cloned = child.clone(vfork_child::parent::waits, mode);
    if (!cloned)
        return cloned;
    if (early_kill)
        early_kill->arm(cloned.value().pid); // the child may have announced none
    return with_outcome(child, std::move(cloned).value(), mode, early_kill);
}

result<spawned_child> vfork_launch(plan const& p, pidfd_mode mode, kill_switch* early_kill)
{
    if (p.namespaces != 0)
        return launch_in_namespaces(p, mode, early_kill);
    auto launched = launch_suspended(p, mode, early_kill, false);
    // A link may have led to a descriptor that the child did not copy.
    bool const is_missing = !launched && launched.error() == make_error_code(spawn_stage::exec, ENOENT);
    return is_missing && is_named_by_procfs(p) ? launch_suspended(p, mode, early_kill, true) : std::move(launched);
}

} // namespace

backend const vfork_backend{spawn_backend::vfork, os::can_clone_sharing_memory, vfork_unsupported_step, vfork_launch};

} // namespace brood::detail
