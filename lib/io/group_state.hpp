// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_GROUP_STATE_HPP
#define BROOD_LIB_IO_GROUP_STATE_HPP

#include "io/group_fsm.hpp"
#include "io/run_op.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

namespace brood::detail {

/// What a group's handle shares with its operations.
/**
 * Each child is a run that keeps itself and the group alive. Handlers are kept here only while one runs: so if the
 * event loop is destroyed, that run is, and tells to destroy them too.
 */
class group_state : public std::enable_shared_from_this<group_state> {
public:
    group_state(asio::any_io_executor executor, group_options options);

    asio::any_io_executor const& executor() const noexcept { return executor_; }
    std::size_t running() const;
    result<group_child> spawn(command const& cmd);
    void async_spawn(command cmd, group_spawn_handler handler);
    void async_next(group_next_handler handler);

    enum class first { just_wait, stop };
    void async_wait_all(first what, group_wait_handler handler);

    /// The handle goes: kills all. Whoever waits for their end is still told of it.
    void close() noexcept;

private:
    using id = group_fsm::ticket;
    using member = run_telling<group_result>;
    class ended_handler;

    // Waits for its turn, and then for its start: so long it is a member, too.
    struct pending_spawn {
        command cmd;
        basic_completion<group_child> then;
    };

    struct one_member {
        std::weak_ptr<member> run;
        group_child who;        // its id is 0 until it has been started
        bool cancelled = false; // before that: it is to be no child of the group
    };

    struct end_wait {
        basic_completion<> then;
        error_code told;
        bool has_stopped;
    };

    struct finished_child {
        error_code ec;
        group_result told;
    };

    // In each map, the first has waited longest.
    struct pending {
        std::map<id, pending_spawn> spawns;
        std::map<id, basic_completion<group_result>> readers;
        std::map<id, end_wait> end_waits;
    };

    error_code refuse(command const& cmd) const;
    void child_started(id which, pid_t pid);
    void run_ended(id which, error_code ec, group_result told);
    void context_gone() noexcept;

    void cancel_spawn(id which);
    void cancel_reader(id which);
    void cancel_end_wait(id which);
    template <class Completion>
    id prepare_cancel(Completion const& then, void (group_state::*cancel)(id));

    // All with the lock.
    result<group_child> start_now(command const& cmd);
    void start_next();
    void child_ended(error_code ec, group_result told);
    void abort_waiting();
    void deliver();
    void stop_all();
    template <class Function>
    void for_each_member(Function what);

    asio::any_io_executor const executor_;
    group_options const options_;
    output_options const each_; // how a child is run
    error_code const unusable_; // why no child can be spawned at all

    mutable std::mutex mutex_; // guards everything below
    group_fsm fsm_;
    std::map<id, one_member> members_;
    std::deque<finished_child> finished_;
    pending pending_;
    id next_id_ = 0;
    std::size_t next_index_ = 0;
    bool closed_ = false;
};

} // namespace brood::detail

#endif
