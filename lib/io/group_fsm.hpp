// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_GROUP_FSM_HPP
#define BROOD_LIB_IO_GROUP_FSM_HPP

#include <brood/child_group.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace brood::detail {

/// Which child of a group may start, and when the rest are to be stopped. Knows neither processes nor handlers.
class group_fsm {
public:
    using ticket = std::uint64_t;

    enum class admission {
        now,   ///< It counts as running from here on.
        later, ///< There is no room.
        never, ///< The group has been stopped.
    };
    using enum admission;

    group_fsm(std::size_t limit, failure_policy on_failure) : limit_(limit), on_failure_(on_failure) {}

    /// For one that does not wait. Those that do come first.
    admission request()
    {
        if (stopped_)
            return never;
        if (running_ + waiting_.size() >= limit_)
            return later;
        ++running_;
        return now;
    }

    /// Puts one at the end of the queue; false in a group that has been stopped.
    bool wait(ticket who)
    {
        if (!stopped_)
            waiting_.push_back(who);
        return !stopped_;
    }

    /// Takes one out of the queue; false if it is not in there.
    bool withdraw(ticket who) { return std::erase(waiting_, who) > 0; }

    /// Who comes next, if there is room and no other one is being started. It counts as running from here on.
    std::optional<ticket> admit()
    {
        if (waiting_.empty() || starting_ || running_ >= limit_)
            return std::nullopt;
        starting_ = waiting_.front();
        waiting_.pop_front();
        ++running_;
        return starting_;
    }

    /// One that was admitted has been started, or has failed to.
    void start_over(ticket who)
    {
        if (starting_ == who)
            starting_.reset();
    }

    /// One that counted as running could not be started.
    void not_started() { --running_; }

    /// One has ended, well or not. True: the others are to be stopped for that.
    bool ended(bool well)
    {
        --running_;
        return !well && !stopped_ && on_failure_ == failure_policy::stop_rest;
    }

    /// From here on nothing starts, and nobody waits to. False if that was so already.
    bool stop()
    {
        waiting_.clear();
        return !std::exchange(stopped_, true);
    }

    bool idle() const { return running_ == 0 && waiting_.empty(); }
    std::size_t running() const { return running_; }

private:
    std::size_t limit_;
    failure_policy on_failure_;
    std::size_t running_ = 0;
    std::optional<ticket> starting_; // one at a time, so that they start in their order
    std::deque<ticket> waiting_;
    bool stopped_ = false;
};

} // namespace brood::detail

#endif
