// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_TIMED_WAIT_HPP
#define BROOD_LIB_PROCESS_TIMED_WAIT_HPP

#include "process/child.hpp"
#include "process/completion.hpp"
#include "process/stop_op.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace brood::detail {

/// An operation that waits for a child while a timer runs.
class timed_wait : public std::enable_shared_from_this<timed_wait> {
public:
    timed_wait(std::shared_ptr<child_state> child, wait_handler handler)
        : child_(std::move(child)),
          strand_(asio::make_strand(child_->executor())),
          completion_(std::move(handler), child_->executor())
    {}

    timed_wait(timed_wait const&) = delete;
    timed_wait& operator=(timed_wait const&) = delete;

    void start()
    {
        try {
            timer_.emplace(strand_);
        } catch (boost::system::system_error const& error) { // the context's reactor is created on first use
            return completion_.post(error.code(), exit_status());
        }
        if (auto slot = completion_.cancellation_slot(); slot.is_connected())
            slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
                if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                    asio::dispatch(self->strand_, [self] { self->finish(asio::error::operation_aborted, {}); });
            });
        asio::dispatch(strand_, [self = shared_from_this()] {
            self->wait();
            self->begin();
        });
    }

protected:
    ~timed_wait() = default;

    /// Starts the timer.
    virtual void begin() = 0;

    /// The child has ended, or cannot be waited for.
    virtual void on_ended(error_code error, exit_status status) { finish(error, status); }

    child_state& child() noexcept { return *child_; }
    strand_timer& timer() noexcept { return *timer_; }
    bool finished() const noexcept { return finished_; }

    void finish(error_code error, exit_status status)
    {
        if (std::exchange(finished_, true))
            return;
        timer_->cancel();
        wait_cancelled_.emit(asio::cancellation_type::terminal);
        completion_.post(error, status);
    }

private:
    void wait()
    {
        auto done = [self = shared_from_this()](error_code error, exit_status status) {
            asio::dispatch(self->strand_, [self, error, status] { self->on_ended(error, status); });
        };
        child_->async_wait(asio::bind_cancellation_slot(wait_cancelled_.slot(), std::move(done)));
    }

    std::shared_ptr<child_state> child_;
    strand strand_; // guards everything below
    std::optional<strand_timer> timer_;
    asio::cancellation_signal wait_cancelled_;
    completion completion_;
    bool finished_ = false;
};

} // namespace brood::detail

#endif
