// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/spawn_op.hpp"

#include "os/descriptors.hpp"

#include <boost/asio/error.hpp>

#include <utility>

namespace brood::detail {

spawn_op::spawn_op(launch_ticket ticket, std::unique_ptr<streams_base> streams)
    : plan_(std::move(ticket.plan)),
      backend_(ticket.backend),
      wish_(ticket.wish),
      streams_(std::move(streams)),
      state_(std::move(ticket.state))
{}

spawn_op::~spawn_op()
{
    if (!pending_)
        return;
    pending_->abandon();
    take_child(*pending_);
    if (state_->id() != 0)
        state_->drop();
}

void spawn_op::start(asio::any_io_executor const& executor, spawn_handler handler)
{
    completion_.emplace(std::move(handler), executor);
    if (auto slot = completion_->cancellation_slot(); slot.is_connected())
        slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
            if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                self->cancel();
        });
    if (auto ec = launch_by(launch::start_launch); ec.failed())
        complete(ec, child_handle(), reap::calling::later);
}

// The pipe is registered before there is a child: nothing that can fail comes after.
error_code spawn_op::launch_by(starter how)
{
    auto pipe = os::make_pipe();
    if (!pipe)
        return make_error_code(spawn_stage::pipe, pipe.error().value());
    std::lock_guard lock(mutex_);
    auto watch = reap::watch_pipe(state_->executor(), std::move(pipe.value().first), shared_from_this());
    if (!watch)
        return make_error_code(spawn_stage::pipe, watch.error().value());
    auto started = how(plan_, backend_, wish_, std::move(pipe.value().second));
    if (!started)
        return started.error();
    settling_ = std::move(watch).value();
    pending_ = std::move(started).value();
    take_child(*pending_);
    if ((phase_ == phase::cancelled || killed_) && state_->id() != 0)
        (void)state_->kill();
    return {};
}

void spawn_op::take_child(launch::pending_launch& from)
{
    if (auto child = from.take_child()) {
        state_->adopt(child->pid, std::move(child->pidfd));
        state_->lend(pending_);
    }
}

void spawn_op::hinted(reap::calling where)
{
    std::unique_lock lock(mutex_);
    if (!pending_)
        return; // it failed at once, as has been told
    auto const why = settle();
    lock.unlock();
    if (why.failed())
        reap_and_fail(why, where);
    else
        succeed(where);
}

error_code spawn_op::settle()
{
    settling_.reset();
    auto const launched = std::move(pending_);
    take_child(*launched);
    state_->lend(nullptr);
    if (phase_ == phase::cancelled) {
        if (state_->id() != 0)
            (void)state_->kill();
        return asio::error::operation_aborted;
    }
    auto const why = launched->outcome();
    if (!why.failed())
        phase_ = phase::done;
    return why;
}

void spawn_op::succeed(reap::calling where)
{
    state_->equip({plan_->own_group, std::move(plan_->cgroup)}, std::move(streams_), false);
    plan_.reset(); // with it the child's ends of its streams
    complete({}, child_handle(std::move(state_)), where);
}

void spawn_op::reap_and_fail(error_code why, reap::calling where)
{
    if (state_->id() == 0)
        return failed(why, where);
    state_->async_wait(
        [self = shared_from_this(), why](error_code, exit_status) { self->failed(why, reap::calling::here); });
}

// A child that met a busy program is gone; the next one is made by a thread, which can wait for its time.
void spawn_op::failed(error_code why, reap::calling where)
{
    auto const may_retry = [this] {
        std::lock_guard lock(mutex_);
        return std::exchange(may_retry_, false) && !killed_;
    };
    if (launch::is_busy(why) && may_retry()) {
        auto fresh = std::make_shared<child_state>(state_->executor());
        {
            std::lock_guard lock(mutex_);
            state_ = std::move(fresh);
        }
        why = launch_by(launch::launch_on_thread);
        if (!why.failed())
            return;
    }
    {
        std::lock_guard lock(mutex_);
        phase_ = phase::done;
    }
    plan_.reset();
    streams_.reset();
    complete(why, child_handle(), where);
}

void spawn_op::complete(error_code why, child_handle made, reap::calling where)
{
    if (where == reap::calling::here)
        completion_->dispatch(why, std::move(made));
    else
        completion_->post(why, std::move(made));
}

void spawn_op::kill()
{
    std::lock_guard lock(mutex_);
    if (phase_ != phase::launching)
        return;
    killed_ = true;
    if (!pending_)
        return;
    take_child(*pending_);
    if (state_->id() == 0)
        return;
    state_->equip({plan_->own_group, {}}, nullptr, false);
    (void)state_->kill_tree();
}

void spawn_op::cancel()
{
    std::lock_guard lock(mutex_);
    if (phase_ != phase::launching)
        return;
    phase_ = phase::cancelled;
    if (state_->id() != 0)
        (void)state_->kill();
}

} // namespace brood::detail
