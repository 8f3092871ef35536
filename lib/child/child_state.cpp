// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/child_state.hpp"

#include "child/orphans.hpp"
#include "os/cgroup.hpp"
#include "status/from_siginfo.hpp"

#include <utility>

#include <signal.h>

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

error_code no_such_process() { return sys::make_error_code(sys::no_such_process); }

result<void> done() { return boost::outcome_v2::success(); }

// To kill what is not there any more is no failure.
result<void> killed(result<void> sent) { return !sent && sent.error() == sys::no_such_process ? done() : sent; }

} // namespace

child_state::~child_state()
{
    leave_context();
    if (id_.pid == 0 || ended_ || poll_end())
        return;
    end_watch();
    watch_.reset(); // before the next one: they go by the same pid
    adopt_orphan({id_.pid, std::move(pidfd_), killed_, std::move(lent_)});
}

void child_state::equip(child_place place, std::unique_ptr<streams_base> ends, bool just_now) noexcept
{
    seen_running_ = just_now;
    place_ = std::move(place);
    streams = std::move(ends);
}

void child_state::lend(std::shared_ptr<void> memory) noexcept
{
    std::lock_guard lock(mutex_);
    lent_.swap(memory);
}

bool child_state::poll_end()
{
    if (ended_ || blocking_wait_)
        return ended_;
    auto const end = os::reap(id_);
    if (end && !end.value())
        return false;
    if (end) {
        status_ = status::from_siginfo(end.value()->code, end.value()->status);
        usage_ = end.value()->usage;
    } else if (auto const recalled = os::recall_status(id_.pidfd); recalled) {
        status_ = exit_status::from_raw(*recalled);
    } else {
        error_ = end.error() == sys::no_child_process ? error_code(errc::status_lost) : end.error();
    }
    ended_ = true;
    lent_.reset();
    return true;
}

result<exit_status> child_state::wait()
{
    std::unique_lock lock(mutex_);
    while (!poll_end()) {
        if (blocking_wait_) {
            lock.unlock();
            blocking_wait_.wait(true);
            lock.lock();
            continue;
        }
        blocking_wait_ = true;
        lock.unlock();
        auto const waited = os::wait_for_end(id_.pid);
        lock.lock();
        blocking_wait_ = false;
        blocking_wait_.notify_all();
        if (!poll_end() && !waited)
            return waited.error();
    }
    finish(std::move(lock));
    return outcome();
}

// Reaping first finds out whether there still is somebody to signal.
result<void> child_state::send(int number, bool to_group)
{
    std::unique_lock lock(mutex_);
    if (!poll_end())
        return to_group ? os::send_signal_to_group(id_.pid, number) : os::send_signal(id_, number);
    finish(std::move(lock));
    return no_such_process();
}

result<void> child_state::kill()
{
    auto const sent = send(SIGKILL, false);
    killed_ = killed_ || sent.has_value();
    return killed(sent);
}

// With the lock. A child that has ended keeps its pid, and with it the group's id, until it is reaped: so here
// nothing is, and its group can still be reached.
result<void> child_state::kill_unreaped()
{
    if (ended_ || !os::is_child(id_.pid))
        return done();
    auto const group = place_.own_group ? killed(os::send_signal_to_group(id_.pid, SIGKILL)) : done();
    auto const child = killed(os::send_signal(id_, SIGKILL)); // it may have left its group
    killed_ = killed_ || child.has_value();
    return group ? child : group;
}

result<void> child_state::kill_tree()
{
    std::lock_guard lock(mutex_);
    auto const cgroup = place_.cgroup ? os::kill_cgroup(place_.cgroup.get()) : done();
    auto const rest = kill_unreaped();
    return cgroup ? rest : cgroup;
}

result<void> child_state::signal(int number) { return send(number, false); }

result<void> child_state::signal_group(int number) { return send(number, place_.own_group); }

std::optional<resource_usage> child_state::usage() const
{
    std::lock_guard lock(mutex_);
    return usage_;
}

void child_state::detach() noexcept
{
    std::lock_guard lock(mutex_);
    detached_ = true;
}

void child_state::drop() noexcept
{
    streams.reset();
    if (!detached_)
        (void)kill();
}

void child_state::context_gone() noexcept
{
    auto const closed = std::move(streams);
    awaited_process::context_gone();
}

} // namespace brood::detail
