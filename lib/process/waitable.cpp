// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/waitable.hpp"

#include "os/descriptors.hpp"
#include "process/context_registry.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace brood::detail {

waitable::waitable(asio::any_io_executor executor) : executor_(std::move(executor))
{
    asio::use_service<context_registry>(asio::query(executor_, asio::execution::context)).add(*this);
}

waitable::~waitable() { leave_context(); }

void waitable::leave_context() noexcept
{
    if (registry_)
        registry_->remove(*this);
}

void waitable::assign(pid_t pid, os::unique_fd pidfd) noexcept
{
    std::lock_guard lock(mutex_);
    if (pidfd && pidfd.get() <= 2) // the application may take the number for a standard stream
        if (auto higher = os::duplicate_above(pidfd.get(), 2); higher)
            pidfd = std::move(higher).value();
    id_ = {pid, pidfd.get()};
    pidfd_ = std::move(pidfd);
}

int waitable::pidfd_of_process() const noexcept
{
    std::lock_guard lock(mutex_);
    return id_.pidfd;
}

asio::any_io_executor waitable::executor() const
{
    std::lock_guard lock(mutex_);
    return executor_;
}

bool waitable::has_ended() const noexcept
{
    std::lock_guard lock(mutex_);
    return ended_;
}

result<exit_status> waitable::outcome() const
{
    if (error_.failed())
        return error_;
    return status_;
}

waitable::ending waitable::take_ending()
{
    id_.pidfd = -1;
    pidfd_.reset();
    return {std::exchange(waiters_, {}), std::move(watch_)};
}

void waitable::complete_waits(std::unique_lock<std::mutex> lock)
{
    auto finished = take_ending();
    lock.unlock();
    finished.ended_watch.reset();
    for (auto& each : finished.waiters)
        each.done.post(error_, status_);
}

error_code waitable::arm()
try {
    if (std::exchange(is_watch_outdated_, false)) {
        end_watch();
        watch_.reset();
    }
    if (watch_)
        return watch_->arm(shared_from_this());
    auto created = create_watch(shared_from_this());
    if (!created)
        return created.error();
    watch_ = std::move(created).value();
    return {};
} catch (std::bad_alloc const&) {
    return make_error_code(boost::system::errc::not_enough_memory);
}

error_code waitable::rearm()
try {
    if (is_watch_outdated_)
        return arm();
    return watch_->rearm(shared_from_this());
} catch (std::bad_alloc const&) {
    return make_error_code(boost::system::errc::not_enough_memory);
}

// Without the lock, because a handler that is destroyed by an exception may own this object.
void waitable::fail_waits(error_code error, std::unique_lock<std::mutex> lock)
{
    auto failed = std::exchange(waiters_, {});
    lock.unlock();
    for (auto& each : failed)
        each.done.post(error, exit_status());
}

void waitable::on_ready(completion_mode mode)
{
    std::unique_lock lock(mutex_);
    if (!poll_end()) {
        if (!waiters_.empty() && watch_)
            if (auto error = error_.failed() ? error_ : rearm(); error.failed())
                fail_waits(error, std::move(lock));
        return;
    }
    // A single handler may run inside this call. With several, a handler that throws would lose the others.
    if (waiters_.size() != 1 || mode == completion_mode::post)
        return complete_waits(std::move(lock));
    auto finished = take_ending();
    lock.unlock();
    finished.ended_watch.reset();
    finished.waiters.front().done.dispatch(error_, status_);
}

void waitable::on_failure(error_code error)
{
    std::unique_lock lock(mutex_);
    if (poll_end())
        complete_waits(std::move(lock));
    else
        fail_waits(error, std::move(lock));
}

void waitable::start_wait(wait_handler handler, void const* owner)
{
    completion done(std::move(handler), executor());
    std::unique_lock lock(mutex_);
    if (waiters_.size() == waiters_.capacity())
        waiters_.reserve(2 * waiters_.size() + 1); // no exception may destroy the handler under the lock
    // A process that has ended already is never registered with the reactor. After a synchronous spawn the poll is
    // skipped: the program has just been executed.
    if (ended_ || (!std::exchange(seen_running_, false) && poll_end())) {
        complete_waits(std::move(lock));
        return done.post(error_, status_);
    }
    if (error_.failed())
        return done.post(error_, exit_status());
    auto const id = next_waiter_++;
    if (auto slot = done.cancellation_slot(); slot.is_connected())
        slot.assign([weak = weak_from_this(), id](asio::cancellation_type type) {
            if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                self->cancel_wait(id);
        });
    waiters_.push_back({id, owner, std::move(done)});
    if (waiters_.size() > 1)
        return;
    auto const error = arm();
    if (!error.failed())
        return;
    if (poll_end()) // it was not polled before
        complete_waits(std::move(lock));
    else
        fail_waits(error, std::move(lock));
}

void waitable::cancel_wait(std::uint64_t id)
{
    std::unique_lock lock(mutex_);
    auto const found = std::find_if(waiters_.begin(), waiters_.end(), [id](waiter const& w) { return w.id == id; });
    if (found != waiters_.end())
        take_waiter(found, std::move(lock)).post(asio::error::operation_aborted, exit_status());
}

completion waitable::take_waiter(std::vector<waiter>::iterator at, std::unique_lock<std::mutex> lock)
{
    auto done = std::move(at->done);
    waiters_.erase(at);
    if (waiters_.empty() && watch_)
        watch_->disarm();
    lock.unlock();
    return done;
}

void waitable::poll_assigned()
{
    std::unique_lock lock(mutex_);
    if (id_.pid != 0 && poll_end())
        complete_waits(std::move(lock));
}

void waitable::abandon_waits(void const* owner, error_code error)
{
    for (;;) {
        std::unique_lock lock(mutex_);
        auto const found =
            std::find_if(waiters_.begin(), waiters_.end(), [owner](waiter const& w) { return w.owner == owner; });
        if (found == waiters_.end())
            return;
        take_waiter(found, std::move(lock)).post(error, exit_status());
    }
}

result<std::optional<exit_status>> waitable::poll()
{
    std::unique_lock lock(mutex_);
    if (!poll_end()) {
        if (error_.failed())
            return error_;
        return std::optional<exit_status>();
    }
    complete_waits(std::move(lock));
    auto const ended = outcome();
    if (!ended)
        return ended.error();
    return std::optional(ended.value());
}

os::unique_fd waitable::release_pidfd()
{
    std::unique_lock lock(mutex_);
    if (id_.pidfd < 0)
        return {};
    end_watch();
    watch_.reset();
    id_.pidfd = -1;
    auto released = std::move(pidfd_);
    if (!waiters_.empty())
        if (auto error = arm(); error.failed())
            fail_waits(error, std::move(lock));
    return released;
}

// A SIGCHLD watch never owned the pidfd. A watch may own another descriptor.
void waitable::end_watch() noexcept
{
    if (!watch_)
        return;
    if (auto released = watch_->release(); released && released.get() == id_.pidfd)
        pidfd_ = std::move(released);
}

void waitable::on_context_shutdown() noexcept
{
    ending dropped; // destroyed after the lock: a handler may own this object
    std::lock_guard lock(mutex_);
    end_watch();
    dropped = {std::exchange(waiters_, {}), std::move(watch_)};
    executor_ = asio::any_io_executor();
}

} // namespace brood::detail
