// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_RUN_RUN_FSM_HPP
#define BROOD_LIB_RUN_RUN_FSM_HPP

#include <brood/error.hpp>

#include <boost/asio/error.hpp>

#include <cstddef>
#include <utility>

namespace brood::detail {

/// Decides what happens to children that are run to their end, and when they are stopped or killed. Uses no process, no
/// stream and no clock.
/**
 * The operation completes with the first error that occurs.
 */
class run_fsm {
public:
    enum class action {
        none,
        stop,        ///< Carry out the stop plan.
        kill,        ///< Kill the children.
        start_grace, ///< All children have ended, but a stream is open: call `grace_over` after the drain grace.
        abandon,     ///< Read what the streams contain now, then close them.
        finish,      ///< Complete the operation. Returned once.
    };
    using enum action;

    /// All children count as running until `started` is called.
    explicit run_fsm(std::size_t children = 1) : running_(children) {}

    /// Another stream is captured.
    void stream_opened() { ++open_; }

    /// Whether another child may be started: not after a stop or a kill.
    bool may_start() const { return !stopping_ && !kill_requested_; }

    /// The starts have ended; `error` is the failure of the next one, if any. A stop takes effect only now.
    action started(std::size_t running, error_code error)
    {
        set_error(error);
        running_ = running;
        if (ended())
            return finish;
        if (error.failed() || kill_requested_)
            return kill_children();
        return stopping_ ? stop : none;
    }

    /// A child that cannot be signalled runs on, which matters more than an earlier error. `child_ended` follows.
    void child_unreachable(error_code error) { error_ = error; }

    /// A child has been reaped, its status was lost, or it is not waited for.
    action child_ended(error_code error)
    {
        set_error(error);
        if (--running_ > 0)
            return none;
        if (open_ == 0)
            return finish;
        return kill_requested_ ? abandon : start_grace;
    }

    /// A child that counts as running has ended without executing its program.
    action start_failed(error_code error)
    {
        set_error(error);
        kill_requested_ = true;
        if (--running_ > 0)
            return kill;
        return open_ == 0 ? finish : abandon;
    }

    /// A stream has been closed; `complete` if its end was reached.
    action stream_ended(bool complete)
    {
        if (!complete)
            set_error(errc::output_incomplete);
        return --open_ == 0 && ended() ? finish : none;
    }

    /// An error that ends the children.
    action fail(error_code error)
    {
        set_error(error);
        return stop_children();
    }

    action timeout() { return ended() ? none : fail(errc::timed_out); }

    action cancel()
    {
        set_error(boost::asio::error::operation_aborted);
        return ended() || std::exchange(cancelled_, true) ? kill_children() : stop_children();
    }

    /// Stops the children. This is not an error.
    action stop_children() { return ended() || std::exchange(stopping_, true) ? none : stop; }

    /// Kills the children. Their streams are not waited for. This is not an error.
    action kill_children()
    {
        kill_requested_ = true;
        return ended() ? grace_over() : kill;
    }

    action grace_over() { return open_ > 0 ? abandon : none; }

    bool ended() const { return running_ == 0; }
    error_code error() const { return error_; }

private:
    void set_error(error_code error)
    {
        if (!error_.failed())
            error_ = error;
    }

    int open_ = 0;
    std::size_t running_;
    bool stopping_ = false;
    bool cancelled_ = false;
    bool kill_requested_ = false;
    error_code error_;
};

} // namespace brood::detail

#endif
