// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/backend.hpp"
#include "launch/child_side.hpp"
#include "launch/pending.hpp"
#include "launch/relay.hpp"
#include "os/module.hpp"
#include "os/signals.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

namespace brood::launch {
namespace {

// The cheapest first.
constexpr std::array backends{&vfork_backend, &posix_spawn_backend, &fork_backend};

bool can_run(backend const& b, plan const& p) noexcept { return b.available() && !b.inexpressible(p); }

bool is_asked_for(backend const& b, spawn_backend choice) noexcept
{
    return choice == spawn_backend::automatic || choice == b.name;
}

// Seccomp filters, old kernels and emulators answer so where there is no such call, or none that knows cgroups.
bool is_refused(error_code const& ec) noexcept
{
    auto const stage = stage_of(ec);
    bool const no_call = ec.value() == ENOSYS || ec.value() == EPERM || ec.value() == EINVAL;
    return (stage == spawn_stage::clone && no_call) ||
           (stage == spawn_stage::cgroup && (no_call || ec.value() == E2BIG));
}

// The relay's exec takes privileges away that a fork keeps: those of file capabilities.
bool is_unprivileged(error_code const& ec) noexcept
{
    return stage_of(ec) == spawn_stage::credentials && ec.value() == EPERM;
}

result<launched> launch_once(plan const& p, spawn_backend choice, pidfd_wish wish)
{
    error_code why = make_error_code(spawn_stage::prepare, ENOTSUP);
    for (auto const* b : backends) {
        if (!is_asked_for(*b, choice) || !can_run(*b, p))
            continue;
        auto child = b->launch(p, wish);
        if (child || !(is_refused(child.error()) || is_unprivileged(child.error())))
            return child;
        why = child.error();
    }
    return why;
}

} // namespace

bool available(spawn_backend choice) noexcept
{
    for (auto const* b : backends)
        if (is_asked_for(*b, choice) && b->available())
            return true;
    return false;
}

bool is_busy(error_code const& why) noexcept { return why == make_error_code(spawn_stage::exec, ETXTBSY); }

result<launched> launch(plan const& p, spawn_backend choice, pidfd_wish wish)
{
    // A program file just written can't be executed while another thread's child, between clone and exec, still
    // holds a copy of the writing descriptor. That passes within moments.
    using std::chrono::milliseconds;
    for (auto pause = milliseconds(1);; pause *= 2) {
        auto child = launch_once(p, choice, wish);
        if (child || !is_busy(child.error()) || pause > milliseconds(32))
            return child;
        std::this_thread::sleep_for(pause);
    }
}

pending_result start_launch(std::shared_ptr<plan> p, spawn_backend choice, pidfd_wish wish, os::unique_fd telling)
{
    // A thread or a child in this memory runs code of this module after this returns. The call takes the dynamic linker's
    // lock, which must not be waited for with all signals blocked.
    os::keep_module_loaded();
    {
        os::signal_block const blocked;
        set_inherited_mask(*p, blocked.previous());
        if (is_asked_for(vfork_backend, choice) && can_run(vfork_backend, *p) && !wants_relay(*p)) {
            auto started = launch_unwaited(p, wish, blocked, telling);
            if (started || !is_refused(started.error()))
                return started;
        }
    }
    return launch_on_thread(std::move(p), choice, wish, std::move(telling));
}

error_code bury(pid_t pid, error_code why) noexcept
{
    if (os::wait_for_end(pid))
        (void)os::reap({pid, -1});
    return why;
}

error_code kill_and_bury(pid_t pid, error_code why) noexcept
{
    (void)os::send_signal({pid, -1}, SIGKILL);
    return bury(pid, why);
}

result<launched> finish(launched child, pidfd_wish wish) noexcept
{
    if (wish == pidfd_wish::none || child.pidfd)
        return child;
    auto opened = os::open_pidfd(child.pid);
    if (opened)
        child.pidfd = std::move(opened).value();
    else if (wish == pidfd_wish::required)
        return kill_and_bury(child.pid, make_error_code(spawn_stage::clone, opened.error().value()));
    return child;
}

error_code execute_in_place(plan const& p) noexcept
{
    child_args args(p.steps, os::blocked_signals());
    args.in_place = true;
    args.unmapped = os::raw::disposal::mark; // a caller that gets its process back wants its descriptors, too
    auto const why = run_steps(args);
    return make_error_code(why.stage, why.error);
}

} // namespace brood::launch
