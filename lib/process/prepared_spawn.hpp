// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_PREPARED_SPAWN_HPP
#define BROOD_LIB_PROCESS_PREPARED_SPAWN_HPP

#include "process/child.hpp"
#include "spawn/fd_setup.hpp"
#include "spawn/launcher.hpp"

#include <brood/detail/prepared_spawn.hpp>

#include <memory>
#include <optional>

namespace brood::detail {

class spawn_op;

class prepared_spawn {
public:
    prepared_spawn(std::shared_ptr<plan> p, std::shared_ptr<child_state> child, spawn_backend backend, pidfd_mode mode)
        : plan_(std::move(p)), child_(std::move(child)), backend_(backend), pidfd_mode_(mode)
    {}

    os::unique_fd take_parent_end(int child_fd) noexcept;
    os::unique_fd take_terminal() noexcept;

    /// Duplicates the descriptors that the command borrows: their owner may close them before the start.
    error_code dup_borrowed_fds() { return detail::dup_borrowed_fds(*plan_); }

    /// Joins a process group instead of leading one. If the group has ended, leads one all the same.
    void join_group(pid_t leader) noexcept;

    /// Starts the child and returns after exec.
    result<child_owner> start(std::unique_ptr<streams_base> streams);

    /// Starts the child and returns before its exec. If that fails, the child ends, and its waits report why.
    /**
     * Empty if the exec must be awaited: `async_start` does that.
     */
    std::optional<child_owner> start_unreported();

    /// Starts the child without blocking. The caller may kill the child through the operation before it completes.
    std::weak_ptr<spawn_op>
    async_start(asio::any_io_executor const& executor, std::unique_ptr<streams_base> streams, spawn_handler handler);

private:
    friend class spawn_op;

    result<spawned_child> launch_retrying();

    std::shared_ptr<plan> plan_;
    std::shared_ptr<child_state> child_;
    spawn_backend backend_;
    pidfd_mode pidfd_mode_;
};

/// For the child that a plan will create.
std::shared_ptr<child_state> make_child_state(asio::any_io_executor const& executor, plan const& p);

/// What a signal to the plan's child can reach. The plan gives its descriptor away.
inline kill_scope scope_of(plan& p) noexcept
{
    return {p.leads_group, p.kills_group, p.own_cgroup ? os::unique_fd() : std::move(p.cgroup)};
}

/// Reaps the children that have ended if a start has failed because there are too many processes. They count until
/// then.
/**
 * Returns whether the start should be tried again.
 */
bool reap_for(error_code const& error, asio::any_io_executor const& executor);

} // namespace brood::detail

#endif
