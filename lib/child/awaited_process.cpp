// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/awaited_process.hpp"

#include "child/child_registry.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace brood::detail {

namespace sys = boost::system::errc;

awaited_process::awaited_process(asio::any_io_executor executor) : executor_(std::move(executor))
{
    asio::use_service<child_registry>(asio::query(executor_, asio::execution::context)).add(*this);
}

awaited_process::~awaited_process() { leave_context(); }

void awaited_process::leave_context() noexcept
{
    if (registry_)
        registry_->remove(*this);
}

void awaited_process::take(pid_t pid, os::unique_fd pidfd) noexcept
{
    id_ = {pid, pidfd.get()};
    pidfd_ = std::move(pidfd);
}

int awaited_process::native_handle() const noexcept
{
    std::lock_guard lock(mutex_);
    return id_.pidfd;
}

asio::any_io_executor awaited_process::executor() const
{
    std::lock_guard lock(mutex_);
    return executor_;
}

result<exit_status> awaited_process::outcome() const
{
    if (error_.failed())
        return error_;
    return status_;
}

awaited_process::ending awaited_process::take_ending()
{
    id_.pidfd = -1;
    pidfd_.reset();
    return {std::exchange(waiters_, {}), std::move(watch_)};
}

void awaited_process::finish(std::unique_lock<std::mutex> lock)
{
    auto done = take_ending();
    lock.unlock();
    done.watch.reset();
    for (auto& [id, then] : done.waiters)
        then.post(error_, status_);
}

error_code awaited_process::arm()
try {
    if (watch_)
        return watch_->arm(shared_from_this());
    auto made = make_watch(shared_from_this());
    if (!made)
        return made.error();
    watch_ = std::move(made).value();
    return {};
} catch (std::bad_alloc const&) {
    return sys::make_error_code(sys::not_enough_memory);
}

error_code awaited_process::rearm()
try {
    return watch_->rearm(shared_from_this());
} catch (std::bad_alloc const&) {
    return sys::make_error_code(sys::not_enough_memory);
}

void awaited_process::fail_waits(error_code ec)
{
    for (auto& [id, then] : std::exchange(waiters_, {}))
        then.post(ec, exit_status());
}

void awaited_process::hinted(reap::calling where)
{
    std::unique_lock lock(mutex_);
    if (!poll_end()) {
        if (!waiters_.empty() && watch_)
            if (auto ec = rearm(); ec.failed())
                fail_waits(ec);
        return;
    }
    // One handler may run here and now, where that is allowed at all; of several, one that throws would take the
    // others with it.
    if (waiters_.size() != 1 || where == reap::calling::later)
        return finish(std::move(lock));
    auto done = take_ending();
    lock.unlock();
    done.watch.reset();
    done.waiters.front().then.dispatch(error_, status_);
}

void awaited_process::async_wait(wait_handler handler)
{
    std::unique_lock lock(mutex_);
    completion then(std::move(handler), executor_);
    // One that has ended by now, as the short-lived may, is never registered. It is not worth asking right after a
    // spawn that stood still until the program ran.
    if (ended_ || (!std::exchange(seen_running_, false) && poll_end())) {
        finish(std::move(lock));
        return then.post(error_, status_);
    }
    auto const id = next_waiter_++;
    if (auto slot = then.cancellation_slot(); slot.is_connected())
        slot.assign([weak = weak_from_this(), id](asio::cancellation_type type) {
            if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                self->cancel_wait(id);
        });
    waiters_.push_back({id, std::move(then)});
    if (waiters_.size() > 1)
        return;
    if (auto ec = arm(); ec.failed())
        fail_waits(ec);
}

void awaited_process::cancel_wait(std::uint64_t id)
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

result<std::optional<exit_status>> awaited_process::try_wait()
{
    std::unique_lock lock(mutex_);
    if (!poll_end())
        return std::optional<exit_status>();
    finish(std::move(lock));
    auto const ended = outcome();
    if (!ended)
        return ended.error();
    return std::optional(ended.value());
}

// One that goes by signals never had the descriptor.
void awaited_process::end_watch() noexcept
{
    if (!watch_)
        return;
    if (auto released = watch_->release())
        pidfd_ = std::move(released);
}

void awaited_process::context_gone() noexcept
{
    ending dropped;
    std::lock_guard lock(mutex_);
    end_watch();
    dropped = {std::exchange(waiters_, {}), std::move(watch_)};
    executor_ = asio::any_io_executor();
}

} // namespace brood::detail
