// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_SPAWN_OP_HPP
#define BROOD_LIB_PROCESS_SPAWN_OP_HPP

#include "process/completion.hpp"
#include "process/prepared_spawn.hpp"
#include "spawn/async_launch.hpp"
#include "watch/watch.hpp"

#include <memory>
#include <mutex>
#include <optional>

namespace brood::detail {

/// Starts a child without blocking. The end of file of a pipe reports that the launch has finished.
class spawn_op final : public watch_observer, public std::enable_shared_from_this<spawn_op> {
public:
    spawn_op(prepared_spawn prepared, std::unique_ptr<streams_base> streams);

    /// If the event loop is destroyed before the launch has finished, the child is killed.
    ~spawn_op();

    spawn_op(spawn_op const&) = delete;
    spawn_op& operator=(spawn_op const&) = delete;

    /// `executor` is the one for the handler. It need not be the child's.
    void start(asio::any_io_executor const& executor, spawn_handler handler);

    /// Kills the child and the process group that it leads, if it exists already. The operation completes as before.
    void kill();

private:
    using starter = async_launch_result (*)(std::shared_ptr<plan>, spawn_backend, pidfd_mode, os::private_fd);

    error_code launch_by(starter start_launch);
    void take_child(async_launch& launch); // called with the lock
    void kill_child();                     // called with the lock
    void on_ready(completion_mode mode) override;
    void on_failure(error_code error) override;
    error_code finish_launch(bool is_killed); // called with the lock
    void succeed(completion_mode mode);
    void reap_and_fail(error_code error, completion_mode mode);
    void fail(error_code error, completion_mode mode);
    starter prepare_retry(error_code const& error);
    void complete(error_code error, child_owner child, completion_mode mode);
    void cancel();

    enum class phase { launching, killed, cancelled, done };

    std::shared_ptr<plan> plan_;
    spawn_backend backend_;
    pidfd_mode const pidfd_mode_;
    std::unique_ptr<streams_base> streams_;
    std::optional<basic_completion<child_owner>> completion_;
    std::mutex mutex_; // guards everything below; held until a launch is stored, so that on_ready does not overtake it
    std::shared_ptr<async_launch> launch_; // null unless a launch is in progress
    std::unique_ptr<watch> exec_watch_;
    phase phase_ = phase::launching;
    bool may_retry_ = true, tried_one_backend_ = false;
    bool may_reap_ = true;
    bool kill_denied_ = false;
    std::shared_ptr<child_state> child_;
};

} // namespace brood::detail

#endif
