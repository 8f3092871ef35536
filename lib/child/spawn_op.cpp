// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/spawn_op.hpp"

#include "os/descriptors.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <utility>

namespace brood::detail {

spawn_op::spawn_op(launch_ticket ticket, asio::any_io_executor const& executor, std::unique_ptr<streams_base> streams)
    : plan_(std::move(ticket.plan)),
      backend_(ticket.backend),
      wish_(ticket.wish),
      streams_(std::move(streams)),
      settling_(executor),
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

void spawn_op::start(spawn_handler handler)
{
    completion_.emplace(std::move(handler), settling_.get_executor());
    if (auto slot = completion_->cancellation_slot(); slot.is_connected())
        slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
            if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                self->cancel();
        });
    if (auto ec = launch_by(launch::start_launch); ec.failed())
        completion_->post(ec, child_handle());
}

// The pipe is registered before there is a child: nothing that can fail comes after.
error_code spawn_op::launch_by(starter how)
{
    auto pipe = os::make_pipe();
    if (!pipe)
        return make_error_code(spawn_stage::pipe, pipe.error().value());
    auto& [reading, writing] = pipe.value();
    error_code ec;
    settling_.assign(reading.get(), ec);
    if (ec.failed())
        return make_error_code(spawn_stage::pipe, ec.value());
    (void)reading.release();
    auto started = how(plan_, backend_, wish_, std::move(writing));
    if (!started)
        return started.error();
    {
        std::lock_guard lock(mutex_);
        pending_ = std::move(started).value();
        take_child(*pending_);
        if (phase_ == phase::cancelled && state_->id() != 0)
            (void)state_->kill();
    }
    wait_for_settling();
    return {};
}

void spawn_op::take_child(launch::pending_launch& from)
{
    if (auto child = from.take_child()) {
        state_->adopt(child->pid, std::move(child->pidfd));
        state_->lend(pending_);
    }
}

void spawn_op::wait_for_settling()
{
    settling_.async_read_some(asio::buffer(&nothing_, 1), [self = shared_from_this()](error_code ec, std::size_t) {
        if (ec == asio::error::eof)
            self->settled();
    });
}

void spawn_op::settled()
{
    error_code ignored;
    settling_.close(ignored);
    if (auto const why = settle(); why.failed())
        reap_and_fail(why);
    else
        succeed();
}

error_code spawn_op::settle()
{
    std::lock_guard lock(mutex_);
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

void spawn_op::succeed()
{
    state_->equip({plan_->own_group, std::move(plan_->cgroup)}, std::move(streams_), false);
    plan_.reset(); // with it the child's ends of its streams
    completion_->dispatch({}, child_handle(std::move(state_)));
}

void spawn_op::reap_and_fail(error_code why)
{
    if (state_->id() == 0)
        return failed(why);
    state_->async_wait([self = shared_from_this(), why](error_code, exit_status) { self->failed(why); });
}

// A child that met a busy program is gone; the next one is made by a thread, which can wait for its time.
void spawn_op::failed(error_code why)
{
    if (launch::is_busy(why) && std::exchange(may_retry_, false)) {
        auto fresh = std::make_shared<child_state>(settling_.get_executor());
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
    completion_->dispatch(why, child_handle());
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
