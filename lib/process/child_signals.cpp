// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// How a child is signalled: see process/child.hpp.
#include "os/cgroup.hpp"
#include "process/child.hpp"

#include <algorithm>
#include <utility>

#include <signal.h>

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

result<void> success() { return boost::outcome_v2::success(); }

// Killing a process that no longer exists is not a failure.
result<void> killed(result<void> sent) { return !sent && sent.error() == sys::no_such_process ? success() : sent; }

} // namespace

// The guard reaps the program as the last process.
bool child_state::has_program_ended() const noexcept
{
    if (is_ending() || !guard())
        return is_ending();
    auto const exited = os::has_exited(guard()->program().pidfd);
    return exited && exited.value();
}

// The poll ensures that the pid still belongs to the child.
template <class Send>
result<void> child_state::send_unless_ended(Send send)
{
    std::unique_lock lock(mutex_);
    if (!poll_end())
        return has_program_ended() ? no_process() : send();
    complete_waits(std::move(lock));
    return no_process();
}

// The child may have left its group, so that no process of the group is left or only others have received the signal.
// The group is signalled first: if the child leaves it in between, it receives the signal twice rather than not at all.
result<void> child_state::send_to_group(int number)
{
    auto const [pid, pidfd] = program();
    auto group = os::send_signal_to_group(pid, number);
    if (os::group_of(pid) != pid)
        return os::send_signal({pid, pidfd}, number);
    if (!group && group.error() == sys::no_such_process)
        group = os::send_signal_to_group(pid, number); // the child leads its group since then
    return group ? check_signalled(number) : group;
}

// A signal to a group succeeds if it reaches any process, but this process may not have the permission to signal the
// child. Within a session, SIGCONT needs no permission.
result<void> child_state::check_signalled(int number)
{
    return number == SIGCONT ? success() : os::send_signal(program(), 0);
}

result<void> child_state::signal(int number)
{
    return send_unless_ended([&] { return os::send_signal(program(), number); });
}

result<void> child_state::signal_group(int number)
{
    return send_unless_ended(
        [&] { return scope_.leads_group ? send_to_group(number) : os::send_signal(program(), number); });
}

result<void> child_state::signal_once(int number, std::vector<pid_t>& signalled_groups)
{
    if (number == SIGKILL && kill_own_cgroup())
        return success();
    return send_unless_ended([&]() -> result<void> {
        if (scope_.leads_group) {
            signalled_groups.push_back(id());
            return send_to_group(number);
        }
        auto const& groups = signalled_groups;
        bool const is_signalled = std::find(groups.begin(), groups.end(), os::group_of(id())) != groups.end();
        return is_signalled ? check_signalled(number) : os::send_signal(program(), number);
    });
}

// The guard also ends everybody if the program may not be signalled, and a cgroup is killed without permission.
result<void> child_state::kill()
{
    bool const all_killed = kill_own_cgroup();
    if (std::lock_guard lock(mutex_); guard() && is_own()) {
        guard()->end();
        if (!ended_)
            (void)os::send_signal(id_, SIGCONT); // the guard may have been stopped
        killed_ = true;
    }
    auto const sent = signal(SIGKILL); // the child may not be in its cgroup yet
    killed_ = killed_ || all_killed || sent.has_value();
    return all_killed ? success() : killed(sent);
}

bool child_state::kill_own_cgroup()
{
    std::lock_guard lock(mutex_);
    return is_contained() && cgroup() && is_own() && cgroup()->kill();
}

// Called with the lock. A child that has ended keeps its pid, and so its group's id, until it is reaped. This function
// does not reap, so that the group can still be reached.
result<void> child_state::kill_unreaped()
{
    if (ended_ || !is_own() || !is_unreaped() || (!scope_.leads_group && os::may_have_ended(id_)))
        return no_process();
    auto const group = scope_.leads_group ? killed(os::send_signal_to_group(id_.pid, SIGKILL)) : success();
    auto const child = killed(os::send_signal(id_, SIGKILL)); // the child may have left its group
    killed_ = killed_ || child.has_value();
    return group ? child : group;
}

result<void> child_state::kill_tree()
{
    if (is_contained())
        return kill();
    if (!is_own())
        return no_process();
    std::lock_guard lock(mutex_);
    if (!scope_.cgroup && !cgroup())
        return kill_unreaped();
    auto const all = cgroup() ? cgroup()->kill() : os::kill_cgroup(scope_.cgroup.get());
    auto const rest = killed(kill_unreaped());
    return all ? rest : all;
}

} // namespace brood::detail
