// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/launcher.hpp"

#include "spawn/relay.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

namespace brood::detail {
namespace {

// The cheapest first.
constexpr std::array backends{&vfork_backend, &posix_spawn_backend, &fork_backend};

bool is_candidate(backend const& b, spawn_backend choice) noexcept
{
    return choice == spawn_backend::automatic || choice == b.name;
}

// The child may wait before its exec. Under posix_spawn it could not be killed meanwhile.
bool opens_file(plan const& p) noexcept
{
    return std::any_of(p.steps.begin(), p.steps.end(), [](step const& s) { return s.what == action::open_file; });
}

result<spawned_child> launch_once(plan const& p, spawn_backend choice, pidfd_mode mode, kill_switch* early_kill)
{
    error_code failure = make_error_code(spawn_stage::prepare, ENOTSUP);
    for (auto const* b : backends) {
        if (!applies(*b, p, choice))
            continue;
        auto child = b->launch(p, mode, early_kill);
        if (!child && is_relay_replaced(child.error()))
            child = b->launch(p, mode, early_kill);
        if (child || !(is_refused(child.error()) || is_unprivileged(child.error())))
            return child;
        failure = child.error();
    }
    return failure;
}

} // namespace

bool available(spawn_backend choice) noexcept
{
    for (auto const* b : backends)
        if (is_candidate(*b, choice) && b->available())
            return true;
    return false;
}

bool applies(backend const& b, plan const& p, spawn_backend choice)
{
    return is_candidate(b, choice) && b.available() && !b.unsupported_step(p) &&
           !(choice == spawn_backend::automatic && &b == &posix_spawn_backend && opens_file(p));
}

bool is_refused(error_code const& error) noexcept
{
    auto const stage = stage_of(error);
    bool const no_call = error.value() == ENOSYS || error.value() == EPERM || error.value() == EINVAL;
    return ((stage == spawn_stage::clone || stage == spawn_stage::namespaces) && no_call) ||
           (stage == spawn_stage::cgroup && (no_call || error.value() == E2BIG));
}

bool is_group_gone(error_code const& error) noexcept
{
    return stage_of(error) == spawn_stage::session && (error.value() == EPERM || error.value() == ESRCH);
}

bool is_unprivileged(error_code const& error) noexcept
{
    return error == make_error_code(spawn_stage::credentials, EPERM) ||
           error == make_error_code(spawn_stage::seccomp, EACCES);
}

bool is_relay_replaced(error_code const& error) noexcept
{
    return error == make_error_code(spawn_stage::clone, relay_is_replaced);
}

bool is_busy(error_code const& error) noexcept { return error == make_error_code(spawn_stage::exec, ETXTBSY); }

result<spawned_child> launch(plan const& p, spawn_backend choice, pidfd_mode mode, kill_switch* early_kill)
{
    // A program file that has just been written is busy while a child of another thread, between clone and exec, holds
    // a copy of the descriptor that wrote it. That passes within milliseconds.
    using std::chrono::milliseconds;
    for (auto pause = milliseconds(1);; pause *= 2) {
        auto child = launch_once(p, choice, mode, early_kill);
        if (child || !is_busy(child.error()) || pause > milliseconds(32))
            return child;
        std::this_thread::sleep_for(pause);
    }
}

} // namespace brood::detail
