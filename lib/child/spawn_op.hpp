// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_SPAWN_OP_HPP
#define BROOD_LIB_CHILD_SPAWN_OP_HPP

#include "child/completion.hpp"
#include "child/launch_ticket.hpp"
#include "launch/pending.hpp"
#include "reap/watch.hpp"

#include <brood/spawn.hpp>

#include <memory>
#include <mutex>
#include <optional>

namespace brood::detail {

/// A spawn that the event loop goes on during. The reactor tells it, by a pipe's end of file, that it has settled.
class spawn_op final : public reap::observer, public std::enable_shared_from_this<spawn_op> {
public:
    spawn_op(launch_ticket ticket, std::unique_ptr<streams_base> streams);

    /// Where the event loop goes before the launch has settled, the child goes with it.
    ~spawn_op();

    spawn_op(spawn_op const&) = delete;
    spawn_op& operator=(spawn_op const&) = delete;

    /// The handler gets the child on an executor that need not be the child's.
    void start(asio::any_io_executor const& executor, spawn_handler handler);

    /// Kills the child, if there is one already, with the process group that it may lead. Completes as ever.
    void kill();

private:
    using starter =
        launch::pending_result (*)(std::shared_ptr<launch::plan>, spawn_backend, launch::pidfd_wish, os::unique_fd);

    error_code launch_by(starter how);
    void take_child(launch::pending_launch& from); // with the lock
    void hinted(reap::calling where) override;
    error_code settle(); // with the lock
    void succeed(reap::calling where);
    void reap_and_fail(error_code why, reap::calling where);
    void failed(error_code why, reap::calling where);
    void complete(error_code why, child_handle made, reap::calling where);
    void cancel();

    enum class phase { launching, cancelled, done };

    std::shared_ptr<launch::plan> plan_;
    spawn_backend const backend_;
    launch::pidfd_wish const wish_;
    std::unique_ptr<streams_base> streams_;
    std::optional<basic_completion<child_handle>> completion_;
    std::mutex mutex_; // guards what a cancellation touches, and a launch from being told of too early
    std::shared_ptr<launch::pending_launch> pending_; // null unless one is under way
    std::unique_ptr<reap::watch> settling_;
    phase phase_ = phase::launching;
    bool killed_ = false;
    bool may_retry_ = true;
    state_ptr state_;
};

} // namespace brood::detail

#endif
