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
        later, ///< There is no room: it may `wait`.
        never, ///< The group has been stopped.
    };
    using enum admission;

    group_fsm(std::size_t limit, failure_policy on_failure) : limit_(limit), on_failure_(on_failure) {}

    admission request()
    {
        if (stopped_)
            return never;
        if (running_ >= limit_)
            return later;
        ++running_;
        return now;
    }

    void wait(ticket who) { waiting_.push_back(who); }

    /// Takes one out of the queue; false if it is not in there.
    bool withdraw(ticket who) { return std::erase(waiting_, who) > 0; }

    /// Who comes next, if there is room. It counts as running from here on.
    std::optional<ticket> admit()
    {
        if (waiting_.empty() || running_ >= limit_)
            return std::nullopt;
        ++running_;
        auto const who = waiting_.front();
        waiting_.pop_front();
        return who;
    }

    /// One that was admitted could not be spawned.
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
    std::deque<ticket> waiting_; // empty unless as many run as may
    bool stopped_ = false;
};

} // namespace brood::detail

#endif
