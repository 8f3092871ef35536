// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_RUN_CHILDREN_HPP
#define BROOD_LIB_IO_RUN_CHILDREN_HPP

#include "child/spawn_op.hpp"
#include "io/stages.hpp"

#include <brood/pipeline.hpp>

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <signal.h>

namespace brood::detail {

/// Calls what makes Asio objects; the context's reactor is made on first use.
template <class Function>
error_code registered(Function make)
{
    try {
        make();
        return {};
    } catch (boost::system::system_error const& failed) {
        return make_error_code(spawn_stage::pipe, failed.code().value());
    }
}

/// A command's child, or those of a pipeline's stages in their order, from before their start on.
/**
 * They are started one after the other: the first of a process group has to be there before others join it.
 */
class run_children {
public:
    explicit run_children(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    /// Does all that can fail but the start. `open_streams` takes the parent's ends of a child that is to be made.
    template <class Function>
    error_code prepare(command const& cmd, Function const& open_streams)
    {
        auto prepared = prepared_spawn::make(executor_, cmd);
        if (!prepared)
            return prepared.error();
        // Registered before there is a child: nothing that can fail comes after.
        if (auto ec = registered([&] { open_streams(prepared.value()); }); ec.failed())
            return ec;
        to_start_.push_back({std::move(prepared).value(), cmd.data().process_group.value_or(0), false});
        return {};
    }

    /// The same for a start that the caller does not wait for, and may close its descriptors before.
    template <class Function>
    error_code prepare_ahead(command const& cmd, Function const& open_streams)
    {
        auto const ec = prepare(cmd, open_streams);
        return ec.failed() ? ec : to_start_.back().spawn.keep_borrowed();
    }

    template <class Function>
    error_code prepare_ahead(pipeline const& line, Function const& open_streams)
    {
        return spawn_stages(line, [&](command const& stage) -> result<pid_t> {
            bool const shares_group = joins_group(line.stages()[to_start_.size()]);
            if (auto failed = prepare_ahead(stage, open_streams); failed.failed())
                return failed;
            to_start_.back().shares_group = shares_group;
            return pid_t(0); // each leads a group, for now
        });
    }

    /// Starts the next one, and waits for that.
    error_code start_now()
    {
        auto made = to_start_.front().spawn.start(nullptr);
        if (!made)
            return made.error();
        take(std::move(made).value());
        return {};
    }

    /// Starts the next one. `then` gets the error_code of that, but never in here.
    template <class Function>
    void async_start(asio::any_io_executor const& executor, Function then)
    {
        std::lock_guard lock(mutex_);
        auto& next = to_start_.front();
        if (next.shares_group && leader_ != 0) {
            next.spawn.join_group(leader_);
            next.joins = leader_;
        }
        spawn_ = next.spawn.async_start(executor, nullptr, [this, then](error_code ec, child_handle made) {
            if (!ec.failed())
                take(std::move(made));
            then(ec);
        });
    }

    /// Whether some are left to start.
    bool has_next() const noexcept { return !to_start_.empty(); }

    /// None starts any more.
    void start_no_more()
    {
        std::lock_guard lock(mutex_);
        starting_ = false;
    }

    /// Gives up what was prepared for those that have not been started: their ends of pipes.
    void drop_unstarted() noexcept { to_start_.clear(); }

    /// Those that have been started.
    std::vector<child>& all() noexcept { return children_; }

    /// Signals each once: one that has joined the group of another one is reached with that, while that runs.
    /**
     * Until all have been started there is only SIGKILL: it is not known yet who is in a group, and who would hear.
     */
    void signal(int number)
    {
        std::lock_guard lock(mutex_);
        if (starting_ && number != SIGKILL)
            return;
        if (auto const spawn = spawn_.lock(); spawn && number == SIGKILL)
            spawn->kill();
        std::vector<pid_t> reached;
        for (std::size_t i = 0; i < children_.size(); ++i)
            if (std::find(reached.begin(), reached.end(), joined_[i]) == reached.end())
                if (children_[i].signal_group(number))
                    reached.push_back(children_[i].id()); // those that join it come later
    }

private:
    struct unstarted {
        prepared_spawn spawn;
        pid_t joins;       // the leader of the group that it is to join; 0: none
        bool shares_group; // that of its pipeline
    };

    void take(child_handle made)
    {
        std::lock_guard lock(mutex_);
        auto const& from = to_start_.front();
        children_.emplace_back(executor_, std::move(made));
        joined_.push_back(from.joins);
        if (from.shares_group && leader_ == 0)
            leader_ = children_.back().id();
        to_start_.pop_front();
    }

    asio::any_io_executor const executor_;
    std::deque<unstarted> to_start_;
    pid_t leader_ = 0; // of the group that a pipeline's stages share

    std::mutex mutex_; // guards what a signal touches, which comes from any thread
    bool starting_ = true;
    std::weak_ptr<spawn_op> spawn_; // the last one
    std::vector<child> children_;
    std::vector<pid_t> joined_; // the leader of the group that each was to join; 0: none
};

} // namespace brood::detail

#endif
