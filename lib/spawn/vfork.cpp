// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
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

result<spawned_child> vfork_launch(plan const& p, pidfd_mode mode, kill_switch* early_kill)
{
    vfork_child child(p);
    if (early_kill)
        child.kill_by(*early_kill);
    auto cloned = child.clone(vfork_child::parent::waits, mode);
    if (!cloned)
        return cloned;
    if (early_kill)
        early_kill->arm(cloned.value().pid); // the child may have announced none
    auto const failure = child.outcome();
    if (early_kill)
        early_kill->disarm();
    if (failure.failed())
        return kill_and_reap(cloned.value(), failure);
    return ensure_pidfd(std::move(cloned).value(), mode);
}

} // namespace

backend const vfork_backend{spawn_backend::vfork, os::can_clone_sharing_memory, vfork_unsupported_step, vfork_launch};

} // namespace brood::detail
