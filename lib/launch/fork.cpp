// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/fork.hpp"
#include "launch/backend.hpp"
#include "launch/child_side.hpp"
#include "launch/report.hpp"
#include "os/signals.hpp"

namespace brood::launch {
namespace {

step const* fork_inexpressible(plan const&) noexcept { return nullptr; }

result<launched> fork_launch(plan const& p, pidfd_wish wish)
{
    auto made = report_channel::make(p);
    if (!made)
        return made.error();
    auto& channel = made.value();

    os::signal_block blocked;
    child_args args(p.steps, blocked.previous());
    args.report_fd = channel.childs();
    pid_t const pid = os::fork_process();
    if (pid == 0)
        forked_child_main(args, wish != pidfd_wish::none);
    if (pid < 0)
        return make_error_code(spawn_stage::clone, -pid);
    channel.close_childs();
    os::unique_fd pidfd;
    if (wish != pidfd_wish::none)
        pidfd = os::receive_pidfd(channel.ours());
    auto const [told, why] = channel.read();
    if (why.failed())
        return told ? bury(pid, why) : kill_and_bury(pid, why);
    return finish({pid, std::move(pidfd)}, wish);
}

bool always() noexcept { return true; }

} // namespace

backend const fork_backend{spawn_backend::fork, always, fork_inexpressible, fork_launch};

} // namespace brood::launch
