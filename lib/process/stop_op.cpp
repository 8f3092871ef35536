// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/stop_op.hpp"

#include "os/signals.hpp"
#include "process/child.hpp"
#include "process/completion.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <new>
#include <optional>

#include <signal.h>

namespace brood::detail {

namespace sys = boost::system::errc;

error_code validate(stop_plan const& plan) noexcept
{
    for (auto const& step : plan.steps())
        if (step.signal != 0 && !os::is_signal(step.signal))
            return make_error_code(sys::invalid_argument);
    return {};
}

void stopper::advance(std::shared_ptr<void> owner)
{
    auto const signal = fsm_.next(target_.has_ended() ? stop_fsm::ended : stop_fsm::running);
    if (!signal || !send(*signal) || !fsm_.grace())
        return;
    timer_.expires_after(*fsm_.grace());
    try {
        timer_.async_wait([this, owner = std::move(owner)](error_code error) {
            if (!error.failed())
                advance(owner);
        });
    } catch (std::bad_alloc const&) {
        (void)target_.send_stop_signal(SIGKILL); // without the timer, nothing would follow
    }
}

// A stopped child handles no other signal before it is continued.
bool stopper::send(int signal)
{
    switch (signal) {
    case 0: return true;
    case SIGKILL:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGCONT: return target_.send_stop_signal(signal);
    default: return target_.send_stop_signal(signal) && target_.send_stop_signal(SIGCONT);
    }
}

namespace {

/// Stops one child, as `basic_child::async_stop` describes.
class stop_op final : public std::enable_shared_from_this<stop_op>, public stop_target {
public:
    stop_op(std::shared_ptr<child_state> child, stop_plan plan, wait_handler handler)
        : child_(std::move(child)),
          strand_(asio::make_strand(child_->executor())),
          plan_(std::move(plan)),
          completion_(std::move(handler), child_->executor())
    {}

    void start()
    {
        try {
            timer_.emplace(strand_);
        } catch (boost::system::system_error const& error) { // the context's reactor is created on first use
            return completion_.post(error.code(), exit_status());
        }
        stopper_.emplace(std::move(plan_), *timer_, *this);
        if (auto slot = completion_.cancellation_slot(); slot.is_connected())
            slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
                if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                    asio::dispatch(self->strand_, [self] { self->finish(asio::error::operation_aborted, {}); });
            });
        asio::dispatch(strand_, [self = shared_from_this()] {
            self->wait();
            self->stopper_->advance(self);
        });
    }

private:
    void wait()
    {
        auto done = [self = shared_from_this()](error_code error, exit_status status) {
            asio::dispatch(self->strand_, [self, error, status] { self->finish(error, status); });
        };
        child_->async_wait(asio::bind_cancellation_slot(wait_cancelled_.slot(), std::move(done)));
    }

    bool has_ended() const override { return finished_; }

    // If the child has just ended, the pending wait reports it.
    bool send_stop_signal(int signal) override
    {
        auto const sent = child_->signal_group(signal);
        if (sent || sent.error() == sys::no_such_process)
            return true;
        finish(sent.error(), {});
        return false;
    }

    void finish(error_code error, exit_status status)
    {
        if (std::exchange(finished_, true))
            return;
        timer_->cancel();
        wait_cancelled_.emit(asio::cancellation_type::terminal);
        completion_.post(error, status);
    }

    std::shared_ptr<child_state> child_;
    strand strand_; // guards everything below
    stop_plan plan_;
    std::optional<strand_timer> timer_;
    std::optional<stopper> stopper_;
    asio::cancellation_signal wait_cancelled_;
    completion completion_;
    bool finished_ = false;
};

} // namespace

void child_state::async_stop(stop_plan plan, wait_handler handler)
{
    if (auto error = validate(plan); error.failed())
        return fail_wait(executor(), error, std::move(handler));
    auto self = std::static_pointer_cast<child_state>(shared_from_this());
    std::make_shared<stop_op>(std::move(self), std::move(plan), std::move(handler))->start();
}

void fail_wait(asio::any_io_executor const& executor, error_code error, wait_handler handler)
{
    completion(std::move(handler), executor).post(error, exit_status());
}

} // namespace brood::detail
