// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_RUNNING_GROUP_HPP
#define BROOD_TEST_SUPPORT_RUNNING_GROUP_HPP

#include "support/support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <signal.h>

namespace test {

/// A stop plan that waits an hour after SIGTERM: only for children that exit on SIGTERM.
inline brood::output_options sigterm_only() { return brood::output_options().stop(brood::stop_plan(SIGTERM, 1h)); }

/// A group of at most `max_running` children that exit on SIGTERM.
inline brood::group_options
at_most(std::size_t max_running, brood::failure_policy on_failure = brood::failure_policy::carry_on)
{
    return brood::group_options().max_running(max_running).on_failure(on_failure).each(sigterm_only());
}

inline brood::command quiet(brood::command cmd) { return cmd.out(brood::stdio::null()); }
inline brood::command pausing(backend_config const& config) { return quiet(probe(config, "pause")); }

/// A group on a context of its own. Records the completions of the operations on the group.
struct running_group {
    explicit running_group(brood::group_options options)
        : group(std::make_unique<brood::child_group>(context, std::move(options)))
    {}

    void spawn(brood::command cmd)
    {
        auto const at = spawn_errors.size();
        spawn_errors.emplace_back();
        group->async_spawn(
            std::move(cmd), asio::bind_cancellation_slot(
                                cancel_spawn.slot(), [this, at](brood::error_code ec, brood::group_child child) {
                                    spawn_errors[at] = ec;
                                    children.push_back(child);
                                }));
    }

    void wait_all()
    {
        group->async_wait_all(asio::bind_cancellation_slot(cancel_wait.slot(), [this](brood::error_code ec) {
            wait_error = ec;
            CHECK_FALSE(has_children());
        }));
    }

    void next()
    {
        group->async_next([this](brood::error_code ec, brood::group_result result) {
            next_errors.push_back(ec);
            results.push_back(std::move(result));
        });
    }

    void finish()
    {
        context.restart();
        context.run_for(60s);
        CHECK_FALSE(has_children());
    }

    void poll()
    {
        context.restart();
        context.poll();
    }

    /// Runs the context until a condition holds.
    template <class Condition>
    void run_until(Condition condition)
    {
        REQUIRE(eventually([&] {
            poll();
            return condition();
        }));
    }

    asio::io_context context;
    std::unique_ptr<brood::child_group> group;
    asio::cancellation_signal cancel_wait, cancel_spawn;

    std::vector<std::optional<brood::error_code>> spawn_errors; ///< By call of `spawn`; empty until it completes.
    std::vector<brood::group_child> children;                   ///< In the order of the completions.
    std::optional<brood::error_code> wait_error;
    std::vector<brood::error_code> next_errors;
    std::vector<brood::group_result> results;
};

} // namespace test

#endif
