// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_STOP_HPP
#define BROOD_STOP_HPP

#include <brood/export.hpp>

#include <chrono>
#include <initializer_list>
#include <vector>

#include <signal.h>

namespace brood {

/// The time type of the library's timers.
using duration = std::chrono::steady_clock::duration;

/// Sends a signal, then gives the child some time to end.
struct stop_step {
    int signal;
    duration grace;

    friend bool operator==(stop_step const&, stop_step const&) = default;
};

/// How to end a child: signals, each with a time of grace, and SIGKILL when the last one is over. A value.
class BROOD_API stop_plan {
public:
    /// SIGTERM, and five seconds for the child to obey.
    stop_plan();

    /// One signal, and how long the child has to obey it.
    stop_plan(int signal, duration grace);

    /// Any number of steps. None at all: SIGKILL at once.
    stop_plan(std::initializer_list<stop_step> steps);
    explicit stop_plan(std::vector<stop_step> steps);

    /// Adds a step.
    stop_plan& then(int signal, duration grace) &;
    stop_plan&& then(int signal, duration grace) &&;

    std::vector<stop_step> const& steps() const noexcept { return steps_; }

    BROOD_API friend bool operator==(stop_plan const&, stop_plan const&);

private:
    std::vector<stop_step> steps_;
};

} // namespace brood

#endif
