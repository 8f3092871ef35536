// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/backend.hpp"
#include "launch/child_side.hpp"
#include "launch/relay.hpp"
#include "launch/stack_pool.hpp"
#include "os/clone.hpp"
#include "os/signals.hpp"

#include <cerrno>

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

// A clone that fails for want of something would have failed without a cgroup, too.
spawn_stage stage_of_clone(plan const& p, int error) noexcept
{
    bool const shortage = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
    return p.cgroup && !shortage ? spawn_stage::cgroup : spawn_stage::clone;
}

result<launched> launch_sharing_memory(plan const& p, std::vector<step> const& steps, pidfd_wish wish)
{
    auto stack = borrow_stack();
    if (!stack)
        return make_error_code(spawn_stage::clone, stack.error().value());

    os::signal_block blocked; // or a handler could run in the child, on the parent's memory
    os::clone_request request{shared_child_main, nullptr, stack.value().bottom(), stack_size, wish != pidfd_wish::none};
    shared_child child{child_args(steps, blocked.previous()), &request.handlers_kept};
    request.argument = &child;
    request.cgroup = p.cgroup.get();
    child.args.born_in_cgroup = true;
    if (wants_relay(p)) // it needs descriptors that the plan does not name
        child.args.unmapped = os::raw::disposal::mark;

    pid_t pid = os::clone_sharing_memory(request);
    if (pid == -EMFILE && wish == pidfd_wish::wanted) {
        request.want_pidfd = false;
        pid = os::clone_sharing_memory(request);
    }
    if (pid < 0)
        return make_error_code(stage_of_clone(p, -pid), -pid);
    os::unique_fd pidfd(request.pidfd);
    if (child.report.error != 0)
        return bury(pid, make_error_code(child.report.stage, child.report.error));
    return finish({pid, std::move(pidfd)}, wish);
}

result<launched> vfork_launch(plan const& p, pidfd_wish wish)
{
    return wants_relay(p) ? launch_by_relay(p, wish, launch_sharing_memory) : launch_sharing_memory(p, p.steps, wish);
}

} // namespace

backend const vfork_backend{spawn_backend::vfork, os::can_clone_sharing_memory, vfork_inexpressible, vfork_launch};

} // namespace brood::launch
