// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/memory_sharer.hpp"
#include "launch/relay.hpp"

namespace brood::launch {
namespace {

step const* vfork_inexpressible(plan const& p) noexcept
{
    for (auto const& s : p.steps)
        switch (s.what) {
        // A change of credentials would make the parent's memory, which the child shares, non-dumpable.
        case action::set_groups:
        case action::set_gid:
        case action::set_uid:
            if (has_relay())
                break;
            return &s;
        // A hook's writes would be seen by the parent.
        case action::call_hook: return &s;
        default: break;
        }
    return nullptr;
}

result<launched> launch_sharing_memory(plan const& p, std::vector<step> const& steps, pidfd_wish wish)
{
    auto stack = borrow_stack();
    if (!stack)
        return make_error_code(spawn_stage::clone, stack.error().value());
    memory_sharer sharer(p, steps, std::move(stack).value());
    if (wants_relay(p)) // it needs descriptors that the plan does not name
        sharer.set_disposal(os::raw::disposal::mark);
    os::signal_block const blocked;
    auto child = sharer.clone(memory_sharer::parent::waits, wish, blocked);
    if (!child)
        return child;
    if (auto const why = sharer.told(); why.failed())
        return bury(child.value().pid, why);
    return finish(std::move(child).value(), wish);
}

result<launched> vfork_launch(plan const& p, pidfd_wish wish)
{
    return wants_relay(p) ? launch_by_relay(p, wish, launch_sharing_memory) : launch_sharing_memory(p, p.steps, wish);
}

} // namespace

backend const vfork_backend{spawn_backend::vfork, os::can_clone_sharing_memory, vfork_inexpressible, vfork_launch};

} // namespace brood::launch
