// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/async_launch.hpp"

#include "os/module.hpp"
#include "spawn/launcher.hpp"
#include "spawn/relay.hpp"

#include <utility>

namespace brood::detail {
namespace {

// Something is to be done after the exec, or another attempt may avoid the failure of a step. A child whose program is
// busy cannot close the descriptor that names it.
bool needs_report(plan const& p)
{
    return needs_relay(p) || is_contained(p) || p.cgroup || p.own_cgroup || p.namespaces != 0 || p.foreground ||
           !p.given_away.empty() || is_named_by_descriptor(p.steps);
}

} // namespace

std::shared_ptr<async_launch> launch_unreported(std::shared_ptr<plan const> p, spawn_backend choice, pidfd_mode mode)
{
    if (needs_report(*p) || !applies(vfork_backend, *p, choice))
        return nullptr;
    os::keep_module_loaded();
    os::private_fd no_pipe;
    auto launched = clone_async(std::move(p), mode, no_pipe);
    return launched ? std::move(launched).value() : nullptr;
}

async_launch_result
start_async_launch(std::shared_ptr<plan> p, spawn_backend choice, pidfd_mode mode, os::private_fd exec_pipe)
{
    os::keep_module_loaded(); // a thread or a child in this memory runs its code after this function returns
    // The relay may be refused. Another backend would then have to be tried in the calling thread.
    bool const may_be_late = needs_relay(*p) && requires_calling_thread(*p);
    if (applies(vfork_backend, *p, choice) && !may_be_late) {
        auto started = clone_async(p, mode, exec_pipe);
        if (started || !is_refused(started.error()))
            return started;
    }
    return launch_on_thread(std::move(p), choice, mode, std::move(exec_pipe));
}

} // namespace brood::detail
