// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_STOP_FSM_HPP
#define BROOD_LIB_CHILD_STOP_FSM_HPP

#include <brood/stop.hpp>

#include <cstddef>
#include <optional>

namespace brood::detail {

/// Which signal comes next, and how long to wait after it. Knows neither processes nor clocks.
class stop_fsm {
public:
    enum class child_is { running, ended };
    using enum child_is;

    explicit stop_fsm(stop_plan plan) : plan_(std::move(plan)) {}

    /// The signal to send now, at the start and whenever `grace` is over; none after the end or after SIGKILL.
    std::optional<int> next(child_is state)
    {
        grace_.reset();
        if (state == ended || step_ > plan_.steps().size())
            return std::nullopt;
        auto const at = step_++;
        if (at == plan_.steps().size())
            return SIGKILL;
        grace_ = plan_.steps()[at].grace;
        return plan_.steps()[at].signal;
    }

    /// How long the child has to obey the last signal; none: there is nothing left but to wait.
    std::optional<duration> grace() const { return grace_; }

private:
    stop_plan plan_;
    std::size_t step_ = 0;
    std::optional<duration> grace_;
};

} // namespace brood::detail

#endif
