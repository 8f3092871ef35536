// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/fork.hpp"
#include "launch/backend.hpp"
#include "launch/child_side.hpp"
#include "os/descriptors.hpp"
#include "os/signals.hpp"

#include <algorithm>
#include <cerrno>

namespace brood::launch {
namespace {

step const* fork_inexpressible(plan const&) noexcept { return nullptr; }

// The child writes nothing but a failure; its exec closes the channel. Anything else is an error of its own.
struct outcome {
    bool told; // by the child, which then exits
    error_code why;
};

outcome read_outcome(int channel) noexcept
{
    wire_report report{};
    auto const size = os::read_report(channel, &report, sizeof report);
    if (!size)
        return {false, make_error_code(spawn_stage::clone, size.error().value())};
    if (size.value() == 0)
        return {true, {}};
    if (size.value() != sizeof report || !std::ranges::equal(report.footer, wire_report::mark))
        return {false, make_error_code(spawn_stage::clone, EPROTO)};
    return {true, make_error_code(report.why.stage, report.why.error)};
}

result<launched> fork_launch(plan const& p, pidfd_wish wish)
{
    auto channel = os::make_report_channel();
    if (!channel)
        return make_error_code(spawn_stage::pipe, channel.error().value());
    auto& [ours, theirs] = channel.value();
    // Out of the way of every descriptor that the child sets up: else a failed exec would read as success.
    if (theirs.get() <= p.highest_target) {
        auto moved = os::duplicate_above(theirs.get(), p.highest_target);
        if (!moved)
            return make_error_code(spawn_stage::pipe, moved.error().value());
        theirs = std::move(moved).value();
    }

    os::signal_block blocked;
    pid_t const pid = os::fork_process();
    if (pid == 0) {
        child_args args(p, blocked.previous());
        args.spared_fd = theirs.get();
        forked_child_main(args, wish != pidfd_wish::none);
    }
    if (pid < 0)
        return make_error_code(spawn_stage::clone, -pid);
    theirs.reset();
    os::unique_fd pidfd;
    if (wish != pidfd_wish::none)
        pidfd = os::receive_pidfd(ours.get());
    auto const [told, why] = read_outcome(ours.get());
    if (why.failed())
        return told ? bury(pid, why) : kill_and_bury(pid, why);
    return finish({pid, std::move(pidfd)}, wish);
}

bool always() noexcept { return true; }

} // namespace

backend const fork_backend{spawn_backend::fork, always, fork_inexpressible, fork_launch};

} // namespace brood::launch
