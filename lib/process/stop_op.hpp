// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_STOP_OP_HPP
#define BROOD_LIB_PROCESS_STOP_OP_HPP

#include "process/stop_fsm.hpp"

#include <brood/error.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/strand.hpp>

#include <chrono>
#include <memory>

namespace brood::detail {

namespace asio = boost::asio;

using strand = asio::strand<asio::any_io_executor>;
using strand_timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, strand>;

/// `invalid_argument` if the plan contains an invalid signal number.
error_code validate(stop_plan const& plan) noexcept;

/// What a stop plan stops: a child or the children of a run.
class stop_target {
public:
    virtual bool has_ended() const = 0;

    /// Returns false if no further step may follow.
    virtual bool send_stop_signal(int signal) = 0;

protected:
    ~stop_target() = default;
};

/// Carries out a stop plan: the only place that sends a plan's signals and waits for its grace periods.
/**
 * It runs on the strand of the timer. The target and the timer belong to the owner.
 */
class stopper {
public:
    stopper(stop_plan plan, strand_timer& timer, stop_target& target)
        : fsm_(std::move(plan)), timer_(timer), target_(target)
    {}

    /// Sends the next signal. The pending grace period keeps `owner` alive.
    void advance(std::shared_ptr<void> owner);

private:
    bool send(int signal);

    stop_fsm fsm_;
    strand_timer& timer_;
    stop_target& target_;
};

} // namespace brood::detail

#endif
