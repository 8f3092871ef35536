// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/child_state.hpp"

#include "child/child_registry.hpp"
#include "child/orphans.hpp"
#include "status/from_siginfo.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

#include <algorithm>
#include <utility>

#include <signal.h>

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

error_code no_such_process() { return sys::make_error_code(sys::no_such_process); }

} // namespace

child_state::child_state(asio::any_io_executor executor) : executor_(std::move(executor))
{
    asio::use_service<child_registry>(asio::query(executor_, asio::execution::context)).add(*this);
}

child_state::~child_state()
{
    if (registry_)
        registry_->remove(*this);
    if (id_.pid == 0 || ended_ || poll_end())
        return;
    if (watch_) {
        pidfd_ = watch_->release();
        watch_.reset(); // before the next one: they go by the same pid
    }
    adopt_orphan({id_.pid, std::move(pidfd_), killed_});
}

void child_state::adopt(pid_t pid, os::unique_fd pidfd, bool own_group, std::unique_ptr<streams_base> ends) noexcept
{
    id_ = {pid, pidfd.get()};
    pidfd_ = std::move(pidfd);
    own_group_ = own_group;
    streams = std::move(ends);
}

int child_state::native_handle() const noexcept
{
    std::lock_guard lock(mutex_);
    return id_.pidfd;
}

asio::any_io_executor child_state::executor() const
{
    std::lock_guard lock(mutex_);
    return executor_;
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
    } else if (auto const recalled = os::recall_status(id_.pidfd)) {
        status_ = exit_status::from_raw(*recalled);
    } else {
        error_ = end.error() == sys::no_child_process ? error_code(errc::status_lost) : end.error();
    }
    ended_ = true;
    return true;
}

child_state::ending child_state::take_ending()
{
    id_.pidfd = -1;
    pidfd_.reset();
    return {std::exchange(waiters_, {}), std::move(watch_)};
}

result<exit_status> child_state::outcome() const
{
    if (error_.failed())
        return error_;
    return status_;
}

// Runs handlers, so it must not hold the lock. One handler may run here and now, where that is allowed at all; of
// several, one that throws would take the others with it.
void child_state::complete(ending done, how way)
{
    done.watch.reset();
    if (way == how::dispatch && done.waiters.size() == 1)
        return done.waiters.front().then.dispatch(error_, status_);
    for (auto& [id, then] : done.waiters)
        then.post(error_, status_);
}

error_code child_state::arm()
{
    if (!watch_) {
        auto made = reap::watch(executor_, id_.pid, pidfd_);
        if (!made)
            return made.error();
        watch_ = std::move(made).value();
    }
    return watch_->arm(shared_from_this());
}

void child_state::exit_hinted()
{
    ending done;
    {
        std::lock_guard lock(mutex_);
        if (poll_end())
            done = take_ending();
        else if (!waiters_.empty() && watch_)
            (void)watch_->rearm(shared_from_this());
    }
    complete(std::move(done), how::dispatch);
}

void child_state::async_wait(wait_handler handler)
{
    std::unique_lock lock(mutex_);
    completion then(std::move(handler), executor_);
    if (ended_)
        return then.post(error_, status_);
    auto const id = next_waiter_++;
    if (auto slot = then.cancellation_slot(); slot.is_connected())
        slot.assign([weak = weak_from_this(), id](asio::cancellation_type type) {
            if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                self->cancel_wait(id);
        });
    waiters_.push_back({id, std::move(then)});
    if (waiters_.size() > 1)
        return;
    if (auto ec = arm(); ec.failed()) {
        waiters_.back().then.post(ec, exit_status());
        waiters_.pop_back();
    }
}

void child_state::cancel_wait(std::uint64_t id)
{
    std::lock_guard lock(mutex_);
    auto const found = std::find_if(waiters_.begin(), waiters_.end(), [&](auto const& w) { return w.id == id; });
    if (found == waiters_.end())
        return;
    found->then.post(asio::error::operation_aborted, exit_status());
    waiters_.erase(found);
    if (waiters_.empty() && watch_)
        watch_->disarm();
}

result<exit_status> child_state::wait()
{
    std::unique_lock lock(mutex_);
    while (!poll_end()) {
        if (blocking_wait_) {
            blocking_wait_over_.wait(lock);
            continue;
        }
        blocking_wait_ = true;
        lock.unlock();
        auto const waited = os::wait_for_end(id_.pid);
        lock.lock();
        blocking_wait_ = false;
        blocking_wait_over_.notify_all();
        if (!poll_end() && !waited)
            return waited.error();
    }
    auto done = take_ending();
    lock.unlock();
    complete(std::move(done), how::post);
    return outcome();
}

result<std::optional<exit_status>> child_state::try_wait()
{
    ending done;
    {
        std::lock_guard lock(mutex_);
        if (!poll_end())
            return std::optional<exit_status>();
        done = take_ending();
    }
    complete(std::move(done), how::post);
    auto const ended = outcome();
    if (!ended)
        return ended.error();
    return std::optional(ended.value());
}

// Reaping first finds out whether there still is somebody to signal.
result<void> child_state::send(int number, bool to_group)
{
    ending done;
    {
        std::lock_guard lock(mutex_);
        if (!poll_end())
            return to_group ? os::send_signal_to_group(id_.pid, number) : os::send_signal(id_, number);
        done = take_ending();
    }
    complete(std::move(done), how::post);
    return no_such_process();
}

result<void> child_state::kill()
{
    auto sent = send(SIGKILL, false);
    if (!sent && sent.error() == sys::no_such_process)
        return boost::outcome_v2::success();
    killed_ = sent.has_value();
    return sent;
}

result<void> child_state::signal(int number) { return send(number, false); }

result<void> child_state::signal_group(int number) { return send(number, own_group_); }

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
    ending dropped;
    std::unique_ptr<streams_base> closed;
    {
        std::lock_guard lock(mutex_);
        if (watch_)
            pidfd_ = watch_->release();
        dropped = {std::exchange(waiters_, {}), std::move(watch_)};
        closed = std::move(streams);
        executor_ = asio::any_io_executor();
    }
}

} // namespace brood::detail
