// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_OUTPUT_FSM_HPP
#define BROOD_LIB_IO_OUTPUT_FSM_HPP

#include <brood/error.hpp>

#include <boost/asio/error.hpp>

#include <cstddef>
#include <utility>

namespace brood::detail {

/// What to do next with the children that are run to their end. Knows neither processes, streams nor clocks.
/**
 * The first thing that went wrong is what is told at the end.
 */
class output_fsm {
public:
    enum class action {
        none,
        stop,        ///< Take the stop plan's steps.
        kill,        ///< Don't wait for them.
        start_grace, ///< All have ended, but a stream is open: `grace_over` once the time for that is over.
        abandon,     ///< Take what the streams hold right now, then end them.
        finish,      ///< All has come. Only once.
    };
    using enum action;

    /// Until they have `started`, all children count as running.
    explicit output_fsm(std::size_t children = 1) : running_(children) {}

    /// One more stream is captured.
    void stream_opened() { ++open_; }

    /// Whether one more child is to be started: not once they are to end.
    bool may_start() const { return !stopping_ && !hurried_; }

    /// As many run as will; with an error, since the next one could not be started. They can be stopped only now.
    action started(std::size_t running, error_code ec)
    {
        blame(ec);
        start_failed_ = ec.failed();
        running_ = running;
        if (ended())
            return finish;
        if (start_failed_ || hurried_)
            return end_now();
        return stopping_ ? stop : none;
    }

    bool start_failed() const { return start_failed_; }

    /// One child has been reaped, or was lost.
    action child_ended(error_code ec)
    {
        blame(ec);
        if (--running_ > 0)
            return none;
        if (open_ == 0)
            return finish;
        return hurried_ ? abandon : start_grace;
    }

    /// A stream is closed; `complete` if that is because it came to its end.
    action stream_ended(bool complete)
    {
        if (!complete)
            blame(errc::output_incomplete);
        return --open_ == 0 && ended() ? finish : none;
    }

    /// Something went wrong that the children shall not outlive.
    action fail(error_code why)
    {
        blame(why);
        return end_soon();
    }

    action timeout() { return ended() ? none : fail(errc::timed_out); }

    action cancel()
    {
        blame(boost::asio::error::operation_aborted);
        return ended() || std::exchange(cancelled_, true) ? end_now() : end_soon();
    }

    /// The children are to end, and that is no error.
    action end_soon() { return ended() || std::exchange(stopping_, true) ? none : stop; }

    /// The same at once. Their streams are not waited for any more.
    action end_now()
    {
        hurried_ = true;
        return ended() ? grace_over() : kill;
    }

    action grace_over() { return open_ > 0 ? abandon : none; }

    bool ended() const { return running_ == 0; }
    error_code error() const { return error_; }

private:
    void blame(error_code why)
    {
        if (!error_.failed())
            error_ = why;
    }

    int open_ = 0;
    std::size_t running_;
    bool start_failed_ = false;
    bool stopping_ = false;
    bool cancelled_ = false;
    bool hurried_ = false;
    error_code error_;
};

} // namespace brood::detail

#endif
