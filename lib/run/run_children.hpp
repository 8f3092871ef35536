// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_RUN_RUN_CHILDREN_HPP
#define BROOD_LIB_RUN_RUN_CHILDREN_HPP

#include "os/process.hpp"
#include "process/prepared_spawn.hpp"
#include "process/spawn_op.hpp"
#include "run/stage_io.hpp"

#include <brood/pipeline.hpp>

#include <boost/system/system_error.hpp>

#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <signal.h>

namespace brood::detail {

/// Calls a function that creates Asio objects. The context's reactor, which is created on first use, may throw.
template <class Function>
error_code catch_pipe_error(Function create)
{
    try {
        create();
        return {};
    } catch (boost::system::system_error const& error) {
        return make_error_code(spawn_stage::pipe, error.code().value());
    }
}

/// A child that cannot be signalled, for example because it has other credentials.
struct unreachable_child {
    std::size_t index;
    error_code error;
};

/// The child of a command or the children of a pipeline's stages.
/**
 * They are started one after the other: the leader of a process group must exist before others join it.
 */
class run_children {
public:
    explicit run_children(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    // The handle of a child that has another owner belongs to that owner.
    ~run_children()
    {
        if (shared_)
            children_.front().release();
    }

    run_children(run_children const&) = delete;
    run_children& operator=(run_children const&) = delete;

    /// Adds a child that already runs.
    void adopt(child_ptr child)
    {
        children_.reserve(1);
        groups_.reserve(1);
        children_.emplace_back(std::move(child));
        shared_ = true;
    }

    /// Returns another owner of the only child.
    child_owner share()
    {
        shared_ = true;
        return child_owner(children_.front().get());
    }

    /// Does everything that can fail except the start. `open_streams` takes the parent's ends, and may return streams
    /// for the child to own.
    template <class Function>
    error_code prepare(command const& cmd, Function const& open_streams)
    {
        auto prepared = prepare_spawn(executor_, cmd);
        if (!prepared)
            return prepared.error();
        result<std::unique_ptr<streams_base>> streams(nullptr);
        if (auto error = catch_pipe_error([&] { streams = open_streams(*prepared.value(), cmd); }); error.failed())
            return error;
        if (!streams)
            return streams.error();
        unstarted_.push_back({std::move(prepared).value(), std::move(streams).value(), false});
        children_.reserve(unstarted_.size()); // no memory is needed once a child exists
        groups_.reserve(unstarted_.size());
        return {};
    }

    /// Prepares a start after the caller has returned and may have closed its descriptors.
    template <class Function>
    error_code prepare_ahead(command const& cmd, Function const& open_streams)
    {
        auto const error = prepare(cmd, open_streams);
        return error.failed() ? error : unstarted_.back().spawn->dup_borrowed_fds();
    }

    template <class Function>
    error_code prepare_ahead(pipeline const& line, Function const& open_streams)
    {
        return spawn_stages(line, [&](command const& stage) -> result<pid_t> {
            bool const shares_group = joins_group(line.stages()[unstarted_.size()]);
            if (auto error = prepare_ahead(stage, open_streams); error.failed())
                return error;
            unstarted_.back().shares_group = shares_group;
            return pid_t(0); // each stage leads a group until it is started
        });
    }

    /// Starts the next child and returns after its exec.
    error_code start_now()
    {
        auto& next = unstarted_.front();
        auto started = next.spawn->start(std::move(next.streams));
        if (!started)
            return started.error();
        add(std::move(started).value());
        return {};
    }

    /// Starts the last child without a report of its exec, if that is possible. If the exec fails, the wait says so.
    /**
     * After a child that is not the last, the next one must not be started if the exec fails.
     */
    bool start_unreported()
    {
        std::lock_guard lock(mutex_);
        auto& next = unstarted_.front();
        if (unstarted_.size() > 1 || next.streams)
            return false;
        join_group(next);
        auto started = next.spawn->start_unreported();
        if (!started)
            return false;
        children_.push_back(std::move(*started));
        unstarted_.pop_front();
        return true;
    }

    /// Starts the next child. `done` is called with its error_code, but not before this function returns.
    template <class Function>
    void async_start(asio::any_io_executor const& executor, Function done)
    {
        std::lock_guard lock(mutex_);
        auto& next = unstarted_.front();
        join_group(next);
        starting_ = next.spawn->async_start(
            executor, std::move(next.streams), [this, done](error_code error, child_owner child) {
                if (!error.failed())
                    add(std::move(child));
                done(error);
            });
    }

    /// Whether a child is left to start.
    bool has_next() const noexcept { return !unstarted_.empty(); }

    /// No further child is started.
    void end_starts()
    {
        std::lock_guard lock(mutex_);
        all_started_ = true;
    }

    /// Closes what was prepared for the children that are not started: their ends of pipes.
    void drop_unstarted() noexcept { unstarted_.clear(); }

    /// The children that have been started.
    std::vector<child_owner>& started() noexcept { return children_; }

    /// What all of them have used. Empty if that of one is not known, or there is none.
    std::optional<resource_usage> usage() const
    {
        std::optional<resource_usage> sum;
        for (auto const& child : children_) {
            auto const used = child->usage();
            if (!used)
                return std::nullopt;
            sum = sum ? *sum + *used : *used;
        }
        return sum;
    }

    /// What the only child, or the stages of a contained pipeline, have used together with what they have started.
    std::optional<tree_usage> tree_of_all() const
    {
        return children_.empty() ? std::nullopt : children_.back()->tree_usage();
    }

    /// Signals each child once: a child in the process group of another one is reached through the group.
    /**
     * Before all have been started, only SIGKILL is sent: it is not known yet which children are in a group. Returns
     * the children that cannot be signalled: they may never end.
     */
    std::vector<unreachable_child> signal(int number)
    {
        std::lock_guard lock(mutex_);
        std::vector<unreachable_child> unreachable;
        if (!all_started_ && number != SIGKILL)
            return unreachable;
        if (auto const starting = starting_.lock(); starting && number == SIGKILL)
            starting->kill();
        groups_.clear(); // the children that join a group come after its leader
        for (std::size_t i = 0; i < children_.size(); ++i)
            if (auto sent = children_[i]->signal_once(number, groups_);
                !sent && sent.error() != boost::system::errc::no_such_process)
                unreachable.push_back({i, sent.error()});
        return unreachable;
    }

private:
    struct unstarted_child {
        prepared_spawn_ptr spawn;
        std::unique_ptr<streams_base> streams;
        bool shares_group; // the group of its pipeline
    };

    void join_group(unstarted_child& next) noexcept
    {
        if (next.shares_group && leader_ != 0)
            next.spawn->join_group(leader_);
    }

    void add(child_owner child)
    {
        std::lock_guard lock(mutex_);
        children_.push_back(std::move(child));
        pid_t const pid = children_.back()->id();
        // A later stage leads a group if the group of the earlier ones has ended.
        if (unstarted_.front().shares_group && (leader_ == 0 || os::group_of(pid) == pid))
            leader_ = pid;
        unstarted_.pop_front();
    }

    asio::any_io_executor const executor_;
    std::deque<unstarted_child> unstarted_;
    pid_t leader_ = 0; // of the process group of a pipeline

    std::mutex mutex_; // guards what signal() uses, which any thread may call
    bool all_started_ = false;
    bool shared_ = false;
    std::weak_ptr<spawn_op> starting_; // the last start
    std::vector<child_owner> children_;
    std::vector<pid_t> groups_; // for signal(), which needs no memory: has room for all children
};

} // namespace brood::detail

#endif
