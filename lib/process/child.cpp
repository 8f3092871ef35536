// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/child.hpp"

#include "contain/guard.hpp"
#include "os/cgroup.hpp"
#include "os/descriptors.hpp"
#include "os/fork.hpp"
#include "process/background_reaper.hpp"
#include "process/siginfo_status.hpp"
#include "spawn/async_launch.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <utility>
#include <variant>

#include <signal.h>

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

// Not if the pidfd cannot be polled.
bool is_running(int pidfd)
{
    auto const exited = os::has_exited(pidfd);
    return exited && !exited.value();
}

} // namespace

child_state::child_state(asio::any_io_executor executor, std::unique_ptr<containment> containment)
    : waitable(std::move(executor)), parent_(os::own_pid()), containment_(std::move(containment))
{}

// In a process that this one has forked, the pid may belong to a child of that process.
bool child_state::is_own() const noexcept { return parent_ == os::own_pid(); }

child_state::~child_state()
{
    leave_context();
    if (id_.pid == 0 || ended_ || poll_end())
        return;
    end_watch();
    watch_.reset(); // before the next watch of the same pid is created
    reap_in_background(
        {id_.pid, std::move(pidfd_), std::move(lost_), std::move(containment_), scope_.kills_group, killed_,
         take_held()});
}

void child_state::assign(pid_t pid, os::unique_fd pidfd) noexcept
{
    auto lost = pid_owners::claim(pid, static_cast<bool>(pidfd));
    adopt(pid, std::move(pidfd), std::move(lost), std::move(containment_));
}

void child_state::adopt(
    pid_t pid, os::unique_fd pidfd, lost_flag lost, std::unique_ptr<containment> containment) noexcept
{
    waitable::assign(pid, std::move(pidfd));
    std::lock_guard lock(mutex_);
    lost_ = std::move(lost);
    containment_ = std::move(containment);
}

void child_state::set_containment(std::shared_ptr<guard_link> guard, std::shared_ptr<child_cgroup> cgroup) noexcept
{
    if (!guard && !cgroup)
        return;
    std::lock_guard lock(mutex_);
    containment_->is_contained = guard || cgroup->is_contained();
    containment_->guard = std::move(guard);
    containment_->cgroup = std::move(cgroup);
}

void child_state::set_started(kill_scope scope, std::unique_ptr<streams_base> streams, bool seen_running) noexcept
{
    std::lock_guard lock(mutex_);
    seen_running_ = seen_running;
    scope_ = std::move(scope);
    streams_ = std::move(streams);
}

void child_state::set_leads_group(bool leads) noexcept
{
    std::lock_guard lock(mutex_);
    scope_.leads_group = leads;
}

void child_state::hold_until_exit(std::shared_ptr<void const> memory) noexcept
{
    std::lock_guard lock(mutex_);
    if (!ended_)
        std::get<held>(used_).swap(memory);
}

void child_state::set_launch(std::shared_ptr<async_launch const> launch) noexcept
{
    std::lock_guard lock(mutex_);
    used_ = std::move(launch);
}

error_code child_state::launch_failure() const noexcept
{
    auto const* const launch = std::get_if<launch_ptr>(&used_);
    return launch ? (*launch)->outcome() : error_code();
}

child_state::held child_state::take_held() noexcept
{
    auto* const launch = std::get_if<launch_ptr>(&used_);
    return launch ? std::move(*launch) : std::get<held>(std::move(used_));
}

// The kernel records the status when it reaps the child: for SIGCHLD ignored, or for another thread's waitpid(2), that
// may still be under way.
std::optional<int> child_state::recall_status(error_code const& reap_error) const noexcept
{
    if (is_own() && reap_error == sys::no_child_process && os::may_recall_status(id_.pidfd))
        (void)os::wait_for_reap(id_.pidfd, std::chrono::milliseconds(100));
    return os::recall_status(id_.pidfd);
}

bool child_state::is_lost() const noexcept { return lost_ && *lost_; }

// Otherwise another process may have the pid.
bool child_state::is_unreaped() const noexcept { return !is_lost() && os::is_child(id_); }

// Ends what the child leaves, before the child is reaped: its pid, and so its group's id, are its own. Returns whether
// everything has ended.
bool child_state::end_rest()
{
    if (scope_.kills_group && is_unreaped())
        (void)os::send_signal_to_group(id_.pid, SIGKILL);
    if (!cgroup())
        return true;
    auto const empty = cgroup()->is_empty_after_end();
    if (!empty)
        error_ = empty.error();
    bool const goes_on = !empty || !empty.value();
    is_watch_outdated_ = is_watch_outdated_ || (goes_on && !is_ending());
    containment_->is_ending = is_ending() || goes_on;
    return !goes_on;
}

std::shared_ptr<child_cgroup> child_state::contained_cgroup() const noexcept
{
    std::lock_guard lock(mutex_);
    return is_contained() ? containment_->cgroup : nullptr;
}

void child_state::set_rest_watch(std::shared_ptr<rest_watch> rest) noexcept
{
    std::lock_guard lock(mutex_);
    if (!ended_)
        containment_->rest.swap(rest);
    else if (rest)
        rest->stop();
}

os::unique_fd child_state::duplicate_pidfd() const noexcept
{
    std::lock_guard lock(mutex_);
    bool const has_own = id_.pidfd >= 0;
    if (!os::pidfd_available() || (!has_own && !is_unreaped()))
        return {};
    auto duplicate = has_own ? os::duplicate_above(id_.pidfd, 2) : os::open_pidfd(id_.pid);
    return duplicate ? std::move(duplicate).value() : os::unique_fd();
}

bool child_state::poll_end()
{
    if (ended_ || blocking_wait_)
        return ended_;
    error_ = {};
    if (is_own() && ends_rest()) {
        auto ended = is_lost() ? true : os::has_ended(id_);
        if (ended && !ended.value() && id_.pidfd >= 0) // a tracer that belongs to the rest keeps the child unreaped
            ended = os::has_exited(id_.pidfd);
        if (ended && (!ended.value() || !end_rest())) // an error is that of the reap, too
            return false;
    }
    bool const may_reap = is_own() && !is_lost();
    auto const end = may_reap ? os::reap(id_) : error_code(ECHILD, boost::system::system_category());
    if (end && !end.value())
        return false;
    if (auto const failure = launch_failure(); failure.failed()) {
        error_ = failure;
    } else if (auto const report = guard() && is_own() ? guard()->finish() : std::nullopt) {
        status_ = exit_status::from_raw(report->status);
        used_ = report->usage;
    } else if (end) {
        status_ = from_siginfo(end.value()->code, end.value()->status);
        used_ = end.value()->usage;
    } else if (auto const recalled = recall_status(end.error())) {
        status_ = exit_status::from_raw(*recalled);
    } else {
        error_ = end.error() == sys::no_child_process ? error_code(errc::status_lost) : end.error();
    }
    leave_cgroup();
    ended_ = true;
    pid_owners::leave(id_.pid, lost_);
    if (!std::holds_alternative<resource_usage>(used_))
        used_ = held();
    return true;
}

watch_result child_state::create_watch(observer_ptr observer)
{
    if (!is_ending())
        return watch_child(executor_, id_.pid, pidfd_, std::move(observer));
    if (cgroup()->events() < 0)
        return make_error_code(boost::system::errc::too_many_files_open); // retried by the next wait
    return watch_changes(executor_, cgroup()->events(), std::move(observer));
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
        auto const cgroup = is_ending() ? containment_->cgroup : nullptr;
        lock.unlock();
        result<void> waited = boost::outcome_v2::success();
        if (cgroup)
            os::wait_for_change(cgroup->events());
        else
            waited = os::wait_for_end(id_.pid);
        lock.lock();
        blocking_wait_ = false;
        blocking_wait_.notify_all();
        if (poll_end())
            break;
        if (error_.failed())
            return error_;
        if (!waited && !is_ending())
            return waited.error();
    }
    complete_waits(std::move(lock));
    return outcome();
}

// Polls a duplicate of the pidfd: another thread may close the pidfd. Without one, polls the child more and more
// rarely.
result<std::optional<exit_status>> child_state::wait_for(duration time)
{
    using std::chrono::milliseconds;
    constexpr duration longest = std::chrono::hours(24 * 365);
    auto const deadline = std::chrono::steady_clock::now() + std::min(time, longest);
    os::unique_fd pidfd;
    if (auto polled = poll(); !polled || polled.value() || time <= duration::zero())
        return polled;
    {
        std::lock_guard lock(mutex_);
        if (id_.pidfd >= 0)
            if (auto duplicate = os::duplicate_above(id_.pidfd, 2); duplicate)
                pidfd = std::move(duplicate).value();
    }
    for (auto pause = milliseconds(1);;) {
        auto const left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left > milliseconds(0))
            os::wait_until_readable(pidfd.get(), pidfd ? left : std::min(left, pause));
        auto polled = poll();
        if (!polled || polled.value() || left <= milliseconds(0))
            return polled;
        if (pidfd && !is_running(pidfd.get()))
            pidfd.reset(); // another thread is about to reap, or the pidfd cannot be polled
        else
            pause = std::min(2 * pause, milliseconds(20));
    }
}

std::optional<resource_usage> child_state::usage() const
{
    std::lock_guard lock(mutex_);
    auto const* const used = std::get_if<resource_usage>(&used_);
    return used ? std::optional(*used) : std::nullopt;
}

std::optional<brood::tree_usage> child_state::tree_usage() const
{
    std::lock_guard lock(mutex_);
    if (!containment_)
        return std::nullopt;
    auto const& cgroup = containment_->cgroup;
    auto const& all = cgroup && cgroup->pipeline() ? cgroup->pipeline() : cgroup ? cgroup : containment_->pipeline;
    return all ? std::optional(all->usage()) : containment_->usage;
}

// The cgroup of the child is removed. That of its pipeline remains until the last stage has ended.
void child_state::leave_cgroup() noexcept
{
    if (!containment_)
        return;
    if (auto const rest = std::move(containment_->rest); rest && is_own())
        rest->stop();
    auto const ended = std::move(containment_->cgroup);
    if (ended && ended->pipeline())
        containment_->pipeline = ended->pipeline();
    else if (ended)
        containment_->usage = ended->usage();
}

// From now on, only the pid identifies the child.
int child_state::release()
{
    if (std::lock_guard lock(mutex_); id_.pidfd >= 0 && !poll_end())
        lost_ = pid_owners::add(id_.pid);
    return release_pidfd().release();
}

void child_state::detach() noexcept
{
    std::lock_guard lock(mutex_);
    detached_ = true;
}

void child_state::async_kill(wait_handler handler)
{
    if (auto const sent = kill(); !sent)
        return fail_wait(executor(), sent.error(), std::move(handler));
    start_wait(std::move(handler));
}

bool child_state::is_output_held_open()
{
    std::lock_guard lock(mutex_);
    for (auto const which : output_streams)
        if (int const fd = streams_ ? streams_->read_end(which) : -1; fd >= 0 && !os::is_hung_up(fd))
            return true;
    return false;
}

void child_state::cancel_reads()
{
    std::lock_guard lock(mutex_);
    if (streams_)
        for (auto const which : output_streams)
            streams_->cancel_read(which);
}

// `is_output_held_open` may be using the streams on another thread.
std::unique_ptr<streams_base> child_state::take_streams() noexcept
{
    std::lock_guard lock(mutex_);
    return std::move(streams_);
}

void child_state::on_handle_destroyed() noexcept
{
    (void)take_streams();
    try {
        if (!detached_)
            (void)kill();
    } catch (std::bad_alloc const&) {} // the child has been reaped, but there was no memory to complete its waits
}

void child_state::on_context_shutdown() noexcept
{
    auto const closed = take_streams();
    waitable::on_context_shutdown();
}

} // namespace brood::detail
