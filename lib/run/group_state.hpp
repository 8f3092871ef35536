// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_RUN_GROUP_STATE_HPP
#define BROOD_LIB_RUN_GROUP_STATE_HPP

#include "run/group_fsm.hpp"
#include "run/run_op.hpp"

#include <atomic>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace brood::detail {

/// A mutex that knows its owner.
/**
 * An exception may destroy a handler while the lock is held, and the handler may own the group. The destructors
 * may lock the mutex again.
 */
class owned_mutex {
public:
    void lock()
    {
        mutex_.lock();
        owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
        ++depth_;
    }

    void unlock()
    {
        if (--depth_ == 0)
            owner_.store({}, std::memory_order_relaxed);
        mutex_.unlock();
    }

    bool is_mine() const noexcept { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

private:
    std::recursive_mutex mutex_;
    std::atomic<std::thread::id> owner_;
    int depth_ = 0; // guarded by the mutex
};

/// The state that a group shares with its operations.
/**
 * Each child is a run that keeps itself and the group alive. Handlers are stored only while a run exists: if the event
 * loop is destroyed, the runs are destroyed and make the group destroy the handlers.
 */
class group_state final : public group_interface, public std::enable_shared_from_this<group_state> {
public:
    group_state(asio::any_io_executor executor, group_settings settings);

    std::size_t running() const override;
    result<group_child> spawn(command const& cmd) override;
    result<child_owner> spawn_child(command const& cmd, streams_factory streams) override;
    void async_spawn(
        command cmd, std::optional<output_options> options, streams_factory streams,
        group_spawn_handler handler) override;
    void async_next(group_next_handler handler) override;
    void async_wait_all(group_wait_handler handler) override { wait_for_end(std::move(handler), false); }
    void async_stop(group_wait_handler handler) override { wait_for_end(std::move(handler), true); }
    void on_handle_destroyed() noexcept override;

private:
    using id = group_fsm::ticket;
    using run_type = typed_run_op<group_result>;
    class end_handler;

    // Waits to be started, then for its start to finish. During the start, it is also a member.
    struct pending_spawn {
        command cmd;
        std::optional<output_options> options; // instead of those of the group
        streams_factory streams;               // set if the child is handed out
        std::size_t index;
        basic_completion<group_child, child_owner> done;
        std::vector<os::private_fd> duplicates = {}; // of the descriptors that the command borrows
    };

    struct finished_child {
        error_code error;
        group_result result;
    };

    struct member {
        std::weak_ptr<run_type> run;
        group_child child; // the id is 0 until it has been started
        bool handed_out;
        child_ptr shared = nullptr; // the child that has been handed out
        bool cancelled = false;     // during the start: the child does not become a child of the group
        std::list<finished_child> result = std::list<finished_child>(1); // the end of the child needs no memory
    };

    struct end_wait {
        basic_completion<> done;
        error_code error;
        bool has_stopped;
    };

    // The first entry of each map has waited longest.
    struct pending {
        std::map<id, pending_spawn> spawns;
        std::map<id, basic_completion<group_result>> readers;
        std::map<id, end_wait> end_waits;
    };

    output_settings const& settings_of(std::optional<output_options> const& options) const;
    error_code validate_spawn(output_settings const& settings) const;
    error_code prepare(command& cmd, output_settings const& settings) const;
    void wait_for_end(group_wait_handler handler, bool stop);
    void on_started(id ticket, child_ptr const& child);
    void on_run_ended(id ticket, error_code error, group_result result);
    void on_context_shutdown() noexcept;

    void cancel_spawn(id ticket);
    void cancel_reader(id ticket);
    void cancel_end_wait(id ticket);
    template <class Completion>
    id connect(Completion const& done, void (group_state::*cancel)(id));

    // Called with the lock.
    result<std::shared_ptr<run_type>> start_if_free(command const& cmd, std::size_t index, streams_factory streams);
    result<std::shared_ptr<run_type>> start_now(command const& cmd, std::size_t index, streams_factory streams);
    void start_next();
    void start(id ticket);
    void drop_member(id ticket);
    void fail_spawn(id ticket, error_code error);
    void dup_borrowed_fds(id ticket);
    void on_child_ended(member& ended);
    void abort_queued();
    void deliver();
    void stop_all();
    template <class Function>
    void for_each_run(Function what);

    asio::any_io_executor const executor_;
    group_settings const settings_;
    error_code const invalid_; // the error of every spawn, if the settings are invalid

    mutable owned_mutex mutex_; // guards everything below
    group_fsm fsm_;
    std::map<id, member> members_;
    std::list<finished_child> finished_;
    pending pending_;
    id next_id_ = 0;
    std::size_t next_index_ = 0;
    bool closed_ = false;
};

} // namespace brood::detail

#endif
