// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_STOP_HPP
#define BROOD_STOP_HPP

#include <brood/detail/export.hpp>

#include <chrono>
#include <vector>

#include <signal.h>

namespace brood {

/// The type of the library's durations.
using duration = std::chrono::steady_clock::duration;

/// A signal and the time that the child gets to end after it.
struct stop_step {
    int signal;     ///< 0 only waits.
    duration grace; ///< The time that the child gets to end.

    /// Compares all members.
    friend bool operator==(stop_step const&, stop_step const&) = default;
};

/// How to stop a child: signals, each with a grace period, then SIGKILL. A copyable value.
/**
 * A stopped child (SIGSTOP) is continued: SIGCONT follows each signal. A step with signal 0 only waits.
 */
class BROOD_API stop_plan {
public:
    /// SIGTERM with a grace period of five seconds.
    stop_plan();

    /// One signal with its grace period.
    stop_plan(int signal, duration grace);

    /// A list of steps. An empty list means SIGKILL at once.
    explicit stop_plan(std::vector<stop_step> steps);

    /// Adds a step.
    stop_plan& then(int signal, duration grace) &;
    stop_plan&& then(int signal, duration grace) &&;

    /// The steps, in their order.
    std::vector<stop_step> const& steps() const noexcept { return steps_; }

    /// Compares all members.
    BROOD_API friend bool operator==(stop_plan const&, stop_plan const&);

private:
    std::vector<stop_step> steps_;
};

} // namespace brood

#endif
