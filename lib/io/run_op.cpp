// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "io/run_op.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>

#include <algorithm>
#include <utility>

#include <signal.h>

namespace brood::detail {

run_op::run_op(asio::any_io_executor const& executor, std::size_t children, output_options options)
    : strand_(asio::make_strand(executor)),
      options_(std::move(options)),
      children_(executor),
      fsm_(children),
      statuses_(children)
{}

template <class Event>
void run_op::on_strand(Event event)
{
    asio::dispatch(strand_, [self = shared_from_this(), event] { self->act(event(self->fsm_)); });
}

template <class Function>
void run_op::arm(duration time, Function over)
{
    timer_->expires_after(std::max(time, duration::zero()));
    timer_->async_wait([self = shared_from_this(), over](error_code ec) {
        if (!ec.failed())
            over();
    });
}

void run_op::connect(asio::cancellation_slot slot)
{
    slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
        if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
            self->on_strand([](output_fsm& fsm) { return fsm.cancel(); });
    });
}

template <class What>
void run_op::start_all(What const& what)
{
    auto const prepared = children_.prepare_ahead(what, [this](prepared_spawn& from) { open_streams(from); });
    if (prepared.failed())
        return finish(prepared);
    asio::dispatch(strand_, [self = shared_from_this()] { self->start_timeout(); });
    start_next();
}

void run_op::run(command const& cmd, std::function<void(pid_t)> on_running)
{
    on_running_ = std::move(on_running);
    start_all(cmd);
}

void run_op::run(pipeline const& line) { start_all(line); }

error_code run_op::start_now(command const& cmd)
{
    auto const ec = children_.prepare(cmd, [this](prepared_spawn& from) { open_streams(from); });
    return ec.failed() ? ec : children_.start_now();
}

void run_op::run_started()
{
    asio::dispatch(strand_, [self = shared_from_this()] {
        self->start_timeout();
        self->all_started({});
    });
}

void run_op::stop()
{
    on_strand([](output_fsm& fsm) { return fsm.end_soon(); });
}

void run_op::kill()
{
    children_.signal(SIGKILL);
    on_strand([](output_fsm& fsm) { return fsm.end_now(); });
}

void run_op::start_timeout()
{
    if (options_.timeout && !stop_) // a cancellation on another thread may have come before
        arm(*options_.timeout, [this] { act(fsm_.timeout()); });
}

void run_op::start_next()
{
    children_.async_start(strand_, [self = shared_from_this()](error_code ec) { self->one_started(ec); });
}

void run_op::one_started(error_code ec)
{
    if (!ec.failed() && children_.has_next() && fsm_.may_start())
        return start_next();
    if (auto const tell_id = std::exchange(on_running_, {}); tell_id && !ec.failed())
        tell_id(children().front().id());
    all_started(ec);
}

void run_op::all_started(error_code ec)
{
    children_.start_no_more();
    auto const next = fsm_.started(children().size(), ec);
    if (next != action::finish)
        act(next); // before those that run see a pipe break whose reader never will
    children_.drop_unstarted();
    if (next == action::finish)
        act(next);
    else
        watch();
}

// None is reaped before all have been started: its process group would go with it.
void run_op::watch()
{
    for (std::size_t i = 0; i < children().size(); ++i)
        children()[i].async_wait(
            asio::bind_executor(strand_, [self = shared_from_this(), i](error_code ec, exit_status status) {
                self->child_ended(i, ec, status);
            }));
    start_streams();
}

void run_op::child_ended(std::size_t which, error_code ec, exit_status status)
{
    if (!fsm_.start_failed())
        statuses_[which] = status;
    if (ec.failed()) // it can't be waited for
        (void)children()[which].kill();
    act(fsm_.child_ended(ec));
}

void run_op::act(action what)
{
    switch (what) {
    case action::none: break;
    case action::stop:
        stop_.emplace(options_.stop);
        escalate();
        break;
    case action::kill: children_.signal(SIGKILL); break;
    case action::start_grace: arm(options_.drain_grace, [this] { act(fsm_.grace_over()); }); break;
    case action::abandon: abandon(); break;
    case action::finish: finish(fsm_.error()); break;
    }
}

void run_op::escalate()
{
    auto const signal = stop_->next(fsm_.ended() ? stop_fsm::child_is::ended : stop_fsm::child_is::running);
    if (!signal)
        return;
    children_.signal(*signal);
    if (stop_->grace())
        arm(*stop_->grace(), [this] { escalate(); });
}

void run_op::finish(error_code ec)
{
    timer_.reset();
    run_result all;
    all.statuses = std::move(statuses_);
    if (!children().empty())
        all.usage = children().front().usage();
    release_streams(all);
    tell(ec, std::move(all));
}

} // namespace brood::detail
