// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/prepared_spawn.hpp"

#include "os/process.hpp"
#include "os/terminal.hpp"
#include "process/background_reaper.hpp"
#include "process/context_registry.hpp"
#include "process/spawn_op.hpp"
#include "spawn/async_launch.hpp"
#include "watch/watch.hpp"

#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

#include <cerrno>

#include <unistd.h>

namespace brood::detail {
namespace {

pidfd_mode mode_for(exit_watcher watcher) noexcept
{
    switch (watcher) {
    case exit_watcher::pidfd: return pidfd_mode::required;
    case exit_watcher::sigchld: return pidfd_mode::none;
    case exit_watcher::automatic: break;
    }
    return available(exit_watcher::pidfd) ? pidfd_mode::wanted : pidfd_mode::none;
}

} // namespace

result<prepared_spawn_ptr> prepare_spawn(asio::any_io_executor const& executor, command const& cmd)
{
    reap_background_children();
    auto const& data = cmd.data();
    if (!available(data.watcher))
        return make_error_code(spawn_stage::prepare, ENOTSUP);
    auto plan = make_plan(cmd);
    if (!plan)
        return plan.error();
    auto child = make_child_state(executor, *plan.value());
    return prepared_spawn_ptr(
        new prepared_spawn(std::move(plan).value(), std::move(child), data.backend, mode_for(data.watcher)));
}

std::shared_ptr<child_state> make_child_state(asio::any_io_executor const& executor, plan const& p)
{
    bool const is_plain = !is_contained(p) && !p.own_cgroup;
    return std::make_shared<child_state>(executor, is_plain ? nullptr : std::make_unique<containment>());
}

void destroy_prepared_spawn::operator()(prepared_spawn* prepared) const noexcept { delete prepared; }

os::unique_fd prepared_spawn::take_parent_end(int child_fd) noexcept
{
    auto const end = plan_->parent_ends.find(child_fd);
    return end == plan_->parent_ends.end() ? os::unique_fd() : std::move(end->second);
}

os::unique_fd prepared_spawn::take_terminal() noexcept { return std::move(plan_->terminal); }

void prepared_spawn::join_group(pid_t leader) noexcept
{
    set_group(*plan_, leader);
    plan_->may_lead_group = true;
}

bool reap_for(error_code const& error, asio::any_io_executor const& executor)
{
    if (error != make_error_code(spawn_stage::clone, EAGAIN))
        return false;
    reap_background_children();
    asio::use_service<context_registry>(asio::query(executor, asio::execution::context)).reap_ended();
    return true;
}

result<spawned_child> prepared_spawn::launch_retrying()
{
    auto launched = launch(*plan_, backend_, pidfd_mode_);
    if (launched || !reap_for(launched.error(), child_->executor()))
        return launched;
    return launch(*plan_, backend_, pidfd_mode_);
}

result<child_owner> prepared_spawn::start(std::unique_ptr<streams_base> streams)
{
    if (plan_->foreground)
        plan_->foreground->lend();
    auto launched = launch_retrying();
    if (!launched)
        return launched.error();
    // Another thread may reap whatever has a pid, so the pid comes last.
    child_->set_started(scope_of(*plan_), std::move(streams), true);
    child_->set_containment(std::move(launched.value().guard), plan_->own_cgroup);
    if (plan_->foreground)
        child_->hold_until_exit(std::move(plan_->foreground));
    child_->assign(launched.value().pid, std::move(launched.value().pidfd));
    close_given_away(*plan_);
    end_rest_in_background(*child_);
    return child_owner(std::move(child_));
}

std::optional<child_owner> prepared_spawn::start_unreported()
{
    // What a wait needs is created first: it must not be missing when the program runs.
    bool const uses_pidfd = pidfd_mode_ != pidfd_mode::none;
    if (prepare_watches(child_->executor(), uses_pidfd).failed())
        return std::nullopt;
    auto launch = launch_unreported(plan_, backend_, uses_pidfd ? pidfd_mode::required : pidfd_mode::none);
    if (!launch)
        return std::nullopt;
    auto cloned = launch->take_child();
    child_->set_launch(std::move(launch));
    child_->set_started(scope_of(*plan_), nullptr, true);
    child_->assign(cloned->pid, std::move(cloned->pidfd));
    if (plan_->may_lead_group) {
        os::move_to_group(cloned->pid, group_of(*plan_)); // its leader may be reaped before the child does that
        child_->set_leads_group(os::group_of(cloned->pid) == cloned->pid);
    }
    end_rest_in_background(*child_);
    plan_->opened.clear(); // the child has its own copies
    plan_.reset();
    return child_owner(std::move(child_));
}

std::weak_ptr<spawn_op> prepared_spawn::async_start(
    asio::any_io_executor const& executor, std::unique_ptr<streams_base> streams, spawn_handler handler)
{
    if (auto error = dup_borrowed_fds(); error.failed()) {
        basic_completion<child_owner>(std::move(handler), executor).post(error, child_owner());
        return {};
    }
    auto const op = std::make_shared<spawn_op>(std::move(*this), std::move(streams));
    op->start(executor, std::move(handler));
    return op;
}

// What the public templates call.

int take_parent_end(prepared_spawn& prepared, int child_fd) noexcept
{
    return prepared.take_parent_end(child_fd).release();
}

int take_terminal(prepared_spawn& prepared) noexcept { return prepared.take_terminal().release(); }

result<child_owner> start_spawn(prepared_spawn_ptr prepared, std::unique_ptr<streams_base> streams)
{
    return prepared->start(std::move(streams));
}

void async_start_spawn(
    asio::any_io_executor const& executor, result<prepared_spawn_ptr> prepared, std::unique_ptr<streams_base> streams,
    spawn_handler handler)
{
    if (prepared)
        prepared.value()->async_start(executor, std::move(streams), std::move(handler));
    else
        basic_completion<child_owner>(std::move(handler), executor).post(prepared.error(), child_owner());
}

void close_descriptor(int fd) noexcept { ::close(fd); }

} // namespace brood::detail
