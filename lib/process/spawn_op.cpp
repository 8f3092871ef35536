// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/spawn_op.hpp"

#include "os/descriptors.hpp"
#include "os/pipes.hpp"
#include "os/signals.hpp"
#include "os/terminal.hpp"
#include "process/background_reaper.hpp"

#include <boost/asio/error.hpp>

#include <cerrno>
#include <utility>

namespace brood::detail {

spawn_op::spawn_op(prepared_spawn prepared, std::unique_ptr<streams_base> streams)
    : plan_(std::move(prepared.plan_)),
      backend_(prepared.backend_),
      pidfd_mode_(prepared.pidfd_mode_),
      streams_(std::move(streams)),
      child_(std::move(prepared.child_))
{}

spawn_op::~spawn_op()
{
    if (!launch_)
        return;
    launch_->abandon();
    take_child(*launch_);
    if (child_->is_assigned())
        child_->on_handle_destroyed();
}

void spawn_op::start(asio::any_io_executor const& executor, spawn_handler handler)
{
    completion_.emplace(std::move(handler), executor);
    if (auto slot = completion_->cancellation_slot(); slot.is_connected())
        slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
            if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                self->cancel();
        });
    if (plan_->foreground)
        plan_->foreground->lend();
    plan_->initiator_mask = os::blocked_signals();
    auto error = launch_by(start_async_launch);
    if (error.failed() && reap_for(error, child_->executor()))
        error = launch_by(start_async_launch);
    if (error.failed())
        complete(error, child_owner(), completion_mode::post);
}

// The pipe is registered before the child exists: nothing that can fail follows.
error_code spawn_op::launch_by(starter start_launch)
{
    os::unique_fd read_end;
    os::private_fd write_end;
    {
        os::fork_block const block;
        auto pipe = os::make_pipe();
        if (!pipe)
            return make_error_code(spawn_stage::pipe, pipe.error().value());
        read_end = std::move(pipe.value().first);
        write_end = os::private_fd(std::move(pipe.value().second), block);
    }
    std::lock_guard lock(mutex_);
    auto watch = watch_pipe(child_->executor(), std::move(read_end), shared_from_this());
    if (!watch)
        return make_error_code(spawn_stage::pipe, watch.error().value());
    auto started = start_launch(plan_, backend_, pidfd_mode_, std::move(write_end));
    if (!started)
        return started.error();
    exec_watch_ = std::move(watch).value();
    launch_ = std::move(started).value();
    take_child(*launch_);
    if (phase_ != phase::launching)
        kill_child();
    return {};
}

// A child that does not exist yet is killed as soon as it does.
void spawn_op::kill_child()
{
    if (child_->is_assigned())
        (void)child_->kill();
    else if (launch_)
        launch_->kill();
}

void spawn_op::take_child(async_launch& launch)
{
    if (auto child = launch.take_child()) {
        child_->set_containment(std::move(child->guard), plan_->own_cgroup);
        child_->hold_until_exit(launch_);
        child_->assign(child->pid, std::move(child->pidfd));
    }
}

void spawn_op::on_ready(completion_mode mode)
{
    std::unique_lock lock(mutex_);
    if (!launch_)
        return; // the launch failed at once and has been reported
    auto const error = finish_launch(phase_ == phase::killed);
    lock.unlock();
    if (error.failed())
        reap_and_fail(error, mode);
    else
        succeed(mode);
}

// The child is killed, so that the launch finishes soon.
void spawn_op::on_failure(error_code error)
{
    std::unique_lock lock(mutex_);
    if (!launch_)
        return;
    kill_child();
    os::wait_for_hangup(exec_watch_->release().get());
    auto const failed_launch = finish_launch(true);
    lock.unlock();
    reap_and_fail(
        failed_launch.failed() ? failed_launch : make_error_code(spawn_stage::pipe, error.value()),
        completion_mode::post);
}

error_code spawn_op::finish_launch(bool is_killed)
{
    exec_watch_.reset();
    auto const launch = std::move(launch_);
    take_child(*launch);
    child_->hold_until_exit(nullptr);
    if (phase_ == phase::cancelled) {
        if (child_->is_assigned())
            if (auto killed = child_->kill(); !killed) {
                kill_denied_ = true;
                return killed.error();
            }
        return asio::error::operation_aborted;
    }
    tried_one_backend_ = launch->tries_one_backend();
    auto error = launch->outcome();
    bool const killed_at_birth = is_killed && error == make_error_code(spawn_stage::cgroup, ENOSYS);
    if (killed_at_birth)
        error = {};
    if (!error.failed())
        phase_ = phase::done;
    return error;
}

void spawn_op::succeed(completion_mode mode)
{
    close_given_away(*plan_);
    if (plan_->foreground)
        child_->hold_until_exit(std::move(plan_->foreground));
    child_->set_started(scope_of(*plan_), std::move(streams_), false);
    end_rest_in_background(*child_);
    plan_.reset(); // closes the child's ends of its streams
    complete({}, child_owner(std::move(child_)), mode);
}

void spawn_op::reap_and_fail(error_code error, completion_mode mode)
{
    if (!child_->is_assigned() || kill_denied_)
        return fail(error, mode); // a child that may not be killed may never end
    renew_own_cgroup(*plan_);
    (void)child_->kill(); // it is exiting, unless its report was lost
    child_->async_wait(
        [self = shared_from_this(), error](error_code, exit_status) { self->fail(error, completion_mode::dispatch); });
}

void spawn_op::fail(error_code error, completion_mode mode)
{
    if (auto const retry = prepare_retry(error)) {
        keep_initiator_mask(*plan_); // this may be another thread
        auto fresh = make_child_state(child_->executor(), *plan_);
        {
            std::lock_guard lock(mutex_);
            child_ = std::move(fresh);
        }
        error = launch_by(retry);
        if (!error.failed())
            return;
    }
    {
        std::lock_guard lock(mutex_);
        if (is_relay_replaced(error)) // cancelled before the second attempt
            error = asio::error::operation_aborted;
        phase_ = phase::done;
    }
    plan_.reset();
    streams_.reset();
    complete(error, child_owner(), mode);
}

// Each retry happens once. The child of the failed launch has ended. If its program file was busy, or it could not
// execute the relay, the second launch runs on a thread, which can wait, retry and use another backend.
spawn_op::starter spawn_op::prepare_retry(error_code const& error)
{
    std::lock_guard lock(mutex_);
    if (is_relay_replaced(error) && phase_ != phase::cancelled)
        return start_async_launch; // nothing has failed yet
    if (phase_ != phase::launching)
        return nullptr;
    if (is_group_gone(error) && std::exchange(plan_->may_lead_group, false)) {
        set_group(*plan_, 0);
        return start_async_launch;
    }
    bool const other_backend =
        tried_one_backend_ && backend_ == spawn_backend::automatic && (is_refused(error) || is_unprivileged(error));
    if (other_backend && !is_contained(*plan_)) {
        backend_ = spawn_backend::fork; // supports every other plan
        return launch_on_thread;
    }
    if (is_busy(error) && std::exchange(may_retry_, false))
        return launch_on_thread;
    bool const may_reap = std::exchange(may_reap_, false);
    return may_reap && reap_for(error, child_->executor()) ? start_async_launch : nullptr;
}

void spawn_op::complete(error_code error, child_owner child, completion_mode mode)
{
    if (mode == completion_mode::dispatch)
        completion_->dispatch(error, std::move(child));
    else
        completion_->post(error, std::move(child));
}

void spawn_op::kill()
{
    std::lock_guard lock(mutex_);
    if (phase_ == phase::done)
        return;
    if (phase_ == phase::launching)
        phase_ = phase::killed;
    if (!launch_)
        return;
    take_child(*launch_);
    if (!child_->is_assigned())
        return launch_->kill();
    child_->set_started({plan_->leads_group, plan_->kills_group, {}}, nullptr, false);
    (void)child_->kill_tree();
}

void spawn_op::cancel()
{
    std::lock_guard lock(mutex_);
    if (phase_ == phase::done)
        return;
    phase_ = phase::cancelled;
    kill_child();
}

} // namespace brood::detail
