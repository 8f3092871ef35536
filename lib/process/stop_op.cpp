// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/stop_op.hpp"

#include "os/signals.hpp"
#include "process/timed_wait.hpp"

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
        timer_.async_wait([this, owner = std::move(owner), expiry = timer_.expiry()](error_code error) {
            if (error.failed() || target_.has_ended()) // after the end, the timer may have been destroyed
                return;
            if (timer_.expiry() == expiry) // else another plan has begun since this wait ended
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
class stop_op final : public timed_wait, public stop_target {
public:
    stop_op(std::shared_ptr<child_state> child, stop_plan plan, wait_handler handler)
        : timed_wait(std::move(child), std::move(handler)), plan_(std::move(plan))
    {}

private:
    void begin() override
    {
        stopper_.emplace(std::move(plan_), timer(), *this);
        stopper_->advance(shared_from_this());
    }

    bool has_ended() const override { return finished(); }

    // If the child has just ended, the pending wait reports it.
    bool send_stop_signal(int signal) override
    {
        auto const sent = child().signal_group(signal);
        if (sent || sent.error() == sys::no_such_process)
            return true;
        finish(sent.error(), {});
        return false;
    }

    stop_plan plan_;
    std::optional<stopper> stopper_;
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
