// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "run/run_op.hpp"

#include "os/signals.hpp"

#include <boost/asio/dispatch.hpp>

#include <algorithm>
#include <new>
#include <utility>

#include <signal.h>

namespace brood::detail {

run_op::run_op(asio::any_io_executor const& executor, std::size_t children, output_settings settings)
    : strand_(asio::make_strand(executor)),
      settings_(std::move(settings)),
      input_left_(settings_.input()),
      children_(executor),
      fsm_(children),
      statuses_(children)
{}

template <class Event>
void run_op::post_event(Event event)
{
    asio::dispatch(strand_, [self = shared_from_this(), event] { self->act(event(self->fsm_)); });
}

template <class Function>
void run_op::arm_timer(duration time, Function expired)
{
    timer_->expires_after(std::max(time, duration::zero()));
    timer_->async_wait([self = shared_from_this(), expired](error_code error) {
        if (!error.failed())
            expired();
    });
}

void run_op::connect(asio::cancellation_slot slot)
{
    slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
        if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
            self->post_event([](run_fsm& fsm) { return fsm.cancel(); });
    });
}

template <class What>
void run_op::start_all(What const& what)
{
    started_ = std::chrono::steady_clock::now();
    auto const error = children_.prepare_ahead(
        what, [this](prepared_spawn& from, command const& each) { return open_streams(from, each); });
    if (error.failed())
        return fail(error);
    if (start_unreported())
        return asio::dispatch(strand_, [self = shared_from_this()] {
            self->start_timeout();
            self->on_started({});
        });
    asio::dispatch(strand_, [self = shared_from_this()] { self->start_timeout(); });
    start_next();
}

// A group reports that a child runs, which requires its exec. A signal that dumps core must not precede the exec: until
// then the child shares the memory of this process.
bool run_op::start_unreported()
{
    auto const& steps = settings_.stop.steps();
    bool const may_dump =
        std::any_of(steps.begin(), steps.end(), [](stop_step const& step) { return os::dumps_core(step.signal); });
    return !on_running_ && !may_dump && children_.start_unreported();
}

void run_op::run(command const& cmd, std::function<void(child_ptr const&)> on_running)
{
    on_running_ = std::move(on_running);
    start_all(cmd);
}

void run_op::run(pipeline const& line) { start_all(line); }

error_code run_op::start_now(command const& cmd)
{
    started_ = std::chrono::steady_clock::now();
    auto const error =
        children_.prepare(cmd, [this](prepared_spawn& from, command const& each) { return open_streams(from, each); });
    return error.failed() ? error : children_.start_now();
}

error_code run_op::adopt(child_ptr child, std::array<os::unique_fd, 3> ends)
{
    started_ = std::chrono::steady_clock::now();
    children_.adopt(std::move(child));
    return catch_pipe_error([&] { open_streams(std::move(ends)); });
}

void run_op::run_started()
{
    asio::dispatch(strand_, [self = shared_from_this()] {
        self->start_timeout();
        self->on_all_started({});
    });
}

void run_op::stop()
{
    post_event([](run_fsm& fsm) { return fsm.stop_children(); });
}

void run_op::kill()
{
    (void)children_.signal(SIGKILL);
    post_event([](run_fsm& fsm) { return fsm.kill_children(); });
}

void run_op::start_timeout()
{
    if (!settings_.timeout || stopper_ || !timer_) // another thread may have cancelled already, or nothing was started
        return;
    try {
        arm_timer(*settings_.timeout, [this] { act(fsm_.timeout()); });
    } catch (std::bad_alloc const&) {
        act(fsm_.fail(make_error_code(boost::system::errc::not_enough_memory)));
    }
}

void run_op::start_next()
{
    bool is_started = false;
    try {
        is_started = start_unreported();
        if (!is_started)
            children_.async_start(strand_, [self = shared_from_this()](error_code error) { self->on_started(error); });
    } catch (std::bad_alloc const&) {
        return on_all_started(make_error_code(boost::system::errc::not_enough_memory));
    }
    if (is_started)
        on_started({});
}

void run_op::on_started(error_code error)
{
    if (!error.failed() && children_.has_next() && fsm_.may_start())
        return start_next();
    if (auto const on_running = std::exchange(on_running_, {}); on_running && !error.failed())
        on_running(children().front().get());
    on_all_started(error);
}

void run_op::on_all_started(error_code error)
{
    children_.end_starts();
    auto const next = fsm_.started(children().size(), error);
    if (next != action::finish) {
        wait_for_children();
        act(next); // before the running children lose the readers of their pipes
    }
    children_.drop_unstarted();
    if (next == action::finish)
        act(next);
}

// No child is reaped before all have been started: a process group ends with its leader.
void run_op::wait_for_children()
{
    for (std::size_t i = 0; i < children().size(); ++i)
        try {
            children()[i]->async_wait_as(this, [self = shared_from_this(), i](error_code error, exit_status status) {
                asio::dispatch(self->strand_, [self, i, error, status] {
                    self->on_child_ended(i, error, status, completion_mode::dispatch);
                });
            });
        } catch (std::bad_alloc const&) {
            on_child_ended(i, make_error_code(boost::system::errc::not_enough_memory), {}, completion_mode::post);
        }
    start_streams();
}

// With `completion_mode::dispatch`, this is the last function of an event.
void run_op::on_child_ended(std::size_t index, error_code error, exit_status status, completion_mode mode)
{
    if (stage_of(error))
        return act(fsm_.start_failed(error), mode);
    statuses_[index] = status;
    elapsed_ = std::chrono::steady_clock::now() - started_;
    if (error.failed()) // the child is not waited for
        (void)children()[index]->kill();
    act(fsm_.child_ended(error), mode);
}

void run_op::act(action what, completion_mode mode)
{
    switch (what) {
    case action::none: break;
    case action::stop:
        stopper_.emplace(settings_.stop, *timer_, *this);
        stopper_->advance(shared_from_this());
        break;
    case action::kill: signal_children(SIGKILL); break;
    case action::start_grace: start_grace(); break;
    case action::abandon: abandon_streams(); break;
    case action::finish: finish(fsm_.error(), mode); break;
    }
}

void run_op::start_grace()
{
    try {
        arm_timer(settings_.drain_grace, [this] { act(fsm_.grace_over()); });
    } catch (std::bad_alloc const&) {
        act(fsm_.grace_over());
    }
}

bool run_op::send_stop_signal(int signal)
{
    signal_children(signal);
    return true;
}

// A child that cannot be signalled is not waited for: it may never end.
void run_op::signal_children(int number)
{
    for (auto const& each : children_.signal(number)) {
        fsm_.child_unreachable(each.error);
        children()[each.index]->abandon_waits(this, each.error);
    }
}

void run_op::finish(error_code error, completion_mode mode)
{
    timer_.reset();
    run_result all;
    all.statuses = std::move(statuses_);
    all.usage = children_.usage();
    all.elapsed = elapsed_;
    all.tree_usage = children_.tree_of_all();
    all.out_of_memory = all.tree_usage && all.tree_usage->out_of_memory_kills > 0;
    release_streams(all);
    complete(error, std::move(all), mode);
}

} // namespace brood::detail
