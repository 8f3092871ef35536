// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_TEST_GROUP_HPP
#define BROOD_TEST_SUPPORT_TEST_GROUP_HPP

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

inline brood::group_options
limited(std::size_t limit, brood::failure_policy on_failure = brood::failure_policy::carry_on)
{
    brood::group_options options;
    options.limit = limit;
    options.on_failure = on_failure;
    options.stop = brood::stop_plan(SIGTERM, 1h);
    return options;
}

inline brood::command quiet(brood::command cmd) { return cmd.out(brood::stdio::null()); }
inline brood::command pausing(way const& w) { return quiet(probe(w, "pause")); }

/// A group on a loop of its own, and what its operations have told.
struct test_group {
    explicit test_group(brood::group_options options)
        : group(std::make_unique<brood::child_group>(context, std::move(options)))
    {}

    void spawn(brood::command cmd)
    {
        auto const at = spawned.size();
        spawned.emplace_back();
        group->async_spawn(
            std::move(cmd),
            asio::bind_cancellation_slot(spawn_cancel.slot(), [this, at](brood::error_code ec, brood::group_child m) {
                spawned[at] = ec;
                members.push_back(m);
            }));
    }

    void wait_all()
    {
        group->async_wait_all(asio::bind_cancellation_slot(cancel.slot(), [this](brood::error_code ec) {
            all_ended = ec;
            CHECK_FALSE(has_children());
        }));
    }

    void next()
    {
        group->async_next([this](brood::error_code ec, brood::group_result r) {
            told.push_back(ec);
            results.push_back(std::move(r));
        });
    }

    void finish()
    {
        context.restart();
        context.run_for(60s);
        CHECK_FALSE(has_children());
    }

    /// Runs the loop until a condition holds.
    template <class Condition>
    void until(Condition condition)
    {
        REQUIRE(eventually([&] {
            context.restart();
            context.poll();
            return condition();
        }));
    }

    asio::io_context context;
    std::unique_ptr<brood::child_group> group;
    asio::cancellation_signal cancel, spawn_cancel;
    std::vector<std::optional<brood::error_code>> spawned;
    std::vector<brood::group_child> members;
    std::optional<brood::error_code> all_ended;
    std::vector<brood::error_code> told;
    std::vector<brood::group_result> results;
};

} // namespace test

#endif
