// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_RUN_GROUP_FSM_HPP
#define BROOD_LIB_RUN_GROUP_FSM_HPP

#include <brood/child_group.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace brood::detail {

/// Decides which child of a group may start, and when the others are stopped. Uses no process and no handler.
class group_fsm {
public:
    using ticket = std::uint64_t;

    enum class admission {
        now,   ///< The child counts as running.
        later, ///< The maximum number of children run.
        never, ///< The group has been stopped.
    };
    using enum admission;

    group_fsm(std::size_t max_running, failure_policy on_failure) : max_running_(max_running), on_failure_(on_failure)
    {}

    /// Requests a start for a caller that does not wait. Queued children come first.
    admission request()
    {
        if (stopped_)
            return never;
        if (running_ + waiting_.size() >= max_running_)
            return later;
        ++running_;
        return now;
    }

    /// Appends a child to the queue. Returns false if the group has been stopped.
    bool enqueue(ticket child)
    {
        if (!stopped_)
            waiting_.push_back(child);
        return !stopped_;
    }

    /// Removes a child from the queue. Returns false if the queue does not contain it.
    bool withdraw(ticket child) { return std::erase(waiting_, child) > 0; }

    /// The next child to start, unless the maximum run or another one is being started. It counts as running.
    std::optional<ticket> admit()
    {
        if (waiting_.empty() || starting_ || running_ >= max_running_)
            return std::nullopt;
        starting_ = waiting_.front();
        waiting_.pop_front();
        ++running_;
        return starting_;
    }

    /// The start of an admitted child has succeeded or failed.
    void start_finished(ticket child)
    {
        if (starting_ == child)
            starting_.reset();
    }

    /// A child that counted as running could not be started.
    void not_started() { --running_; }

    /// A child has ended. Returns true if the others must be stopped.
    bool ended(bool success)
    {
        --running_;
        return !success && !stopped_ && on_failure_ == failure_policy::stop_rest;
    }

    /// Clears the queue; no further child is started. Returns false if the group had been stopped before.
    bool stop()
    {
        waiting_.clear();
        return !std::exchange(stopped_, true);
    }

    /// The ends of the running children will not be reported.
    void abandon()
    {
        (void)stop();
        running_ = 0;
        starting_.reset();
    }

    bool idle() const { return running_ == 0 && waiting_.empty(); }
    std::size_t running() const { return running_; }

private:
    std::size_t max_running_;
    failure_policy on_failure_;
    std::size_t running_ = 0;
    std::optional<ticket> starting_; // one at a time, to keep the order
    std::deque<ticket> waiting_;
    bool stopped_ = false;
};

} // namespace brood::detail

#endif
