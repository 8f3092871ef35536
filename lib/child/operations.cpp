// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/operations.hpp"
#include "child/child_state.hpp"
#include "child/completion.hpp"
#include "child/stop_fsm.hpp"
#include "os/signals.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>

#include <optional>

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

/// Takes the steps of a stop plan until the child has ended.
class stop_op : public std::enable_shared_from_this<stop_op> {
public:
    stop_op(state_ptr state, stop_plan plan, wait_handler handler)
        : state_(std::move(state)),
          strand_(asio::make_strand(state_->executor())),
          fsm_(std::move(plan)),
          completion_(std::move(handler), state_->executor())
    {}

    void start()
    {
        try {
            timer_.emplace(strand_);
        } catch (boost::system::system_error const& failed) { // the context's reactor, made on first use
            return completion_.post(failed.code(), exit_status());
        }
        if (auto slot = completion_.cancellation_slot(); slot.is_connected())
            slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
                if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                    self->on_strand([self] { self->finish(asio::error::operation_aborted, {}); });
            });
        on_strand([self = shared_from_this()] {
            self->wait_for_end();
            self->escalate();
        });
    }

private:
    template <class Function>
    void on_strand(Function function)
    {
        asio::dispatch(strand_, std::move(function));
    }

    void wait_for_end()
    {
        state_->async_wait(asio::bind_cancellation_slot(
            wait_cancelled_.slot(),
            asio::bind_executor(strand_, [self = shared_from_this()](error_code ec, exit_status status) {
                self->finish(ec, status);
            })));
    }

    void escalate()
    {
        auto const signal = fsm_.next(finished_ ? stop_fsm::ended : stop_fsm::running);
        if (!signal)
            return;
        // A child that has ended meanwhile is told by the wait.
        if (auto sent = state_->signal_widely(*signal); !sent && sent.error() != sys::no_such_process)
            return finish(sent.error(), {});
        if (!fsm_.grace())
            return;
        timer_->expires_after(*fsm_.grace());
        timer_->async_wait([self = shared_from_this()](error_code ec) {
            if (!ec.failed())
                self->escalate();
        });
    }

    void finish(error_code ec, exit_status status)
    {
        if (std::exchange(finished_, true))
            return;
        timer_->cancel();
        wait_cancelled_.emit(asio::cancellation_type::terminal);
        completion_.post(ec, status);
    }

    state_ptr state_;
    asio::strand<asio::any_io_executor> strand_; // guards everything below
    std::optional<asio::steady_timer> timer_;
    asio::cancellation_signal wait_cancelled_;
    stop_fsm fsm_;
    completion completion_;
    bool finished_ = false;
};

void fail(asio::any_io_executor const& executor, wait_handler handler, error_code ec)
{
    completion(std::move(handler), executor).post(ec, exit_status());
}

error_code no_child() { return sys::make_error_code(sys::no_child_process); }

} // namespace

error_code check(stop_plan const& plan) noexcept
{
    for (auto const& step : plan.steps())
        if (!os::is_signal(step.signal))
            return sys::make_error_code(sys::invalid_argument);
    return {};
}

void async_wait(state_ptr const& state, asio::any_io_executor const& fallback, wait_handler handler)
{
    if (!state)
        return fail(fallback, std::move(handler), no_child());
    state->async_wait(std::move(handler));
}

void async_kill(state_ptr const& state, asio::any_io_executor const& fallback, wait_handler handler)
{
    if (!state)
        return fail(fallback, std::move(handler), no_child());
    if (auto killed = state->kill(); !killed)
        return fail(fallback, std::move(handler), killed.error());
    state->async_wait(std::move(handler));
}

void async_stop(state_ptr const& state, asio::any_io_executor const& fallback, stop_plan plan, wait_handler handler)
{
    if (!state)
        return fail(fallback, std::move(handler), no_child());
    if (auto ec = check(plan); ec.failed())
        return fail(fallback, std::move(handler), ec);
    std::make_shared<stop_op>(state, std::move(plan), std::move(handler))->start();
}

} // namespace brood::detail
