// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_STOP_FSM_HPP
#define BROOD_LIB_PROCESS_STOP_FSM_HPP

#include <brood/stop.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace brood::detail {

/// Decides which signal of a stop plan comes next and how long to wait after it. Uses no process and no clock.
class stop_fsm {
public:
    enum class child_is { running, ended };
    using enum child_is;

    explicit stop_fsm(stop_plan plan) : plan_(std::move(plan)) {}

    /// The signal to send at the start, and then whenever `grace` has expired. Nothing after the end or after SIGKILL.
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

    /// How long the child has to end after the last signal. Nothing after SIGKILL.
    std::optional<duration> grace() const { return grace_; }

private:
    stop_plan plan_;
    std::size_t step_ = 0;
    std::optional<duration> grace_;
};

} // namespace brood::detail

#endif
