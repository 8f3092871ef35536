// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/launch_ticket.hpp"
#include "child/spawn_op.hpp"
#include "launch/child_descriptors.hpp"
#include "reap/watch.hpp"

#include <brood/spawn.hpp>

#include <cerrno>

#include <unistd.h>

namespace brood {
namespace detail {

namespace {

launch::pidfd_wish wish_for(exit_reaper reaper) noexcept
{
    switch (reaper) {
    case exit_reaper::pidfd: return launch::pidfd_wish::required;
    case exit_reaper::sigchld: return launch::pidfd_wish::none;
    case exit_reaper::automatic: break;
    }
    return reap::available(exit_reaper::pidfd) ? launch::pidfd_wish::wanted : launch::pidfd_wish::none;
}

} // namespace

prepared_spawn::prepared_spawn(std::unique_ptr<launch_ticket> ticket) noexcept : ticket_(std::move(ticket)) {}
prepared_spawn::prepared_spawn(prepared_spawn&&) noexcept = default;
prepared_spawn::~prepared_spawn() = default;

result<prepared_spawn> prepared_spawn::make(asio::any_io_executor const& executor, command const& cmd)
{
    auto const& data = cmd.data();
    if (!reap::available(data.reaper))
        return make_error_code(spawn_stage::prepare, ENOTSUP);
    auto plan = launch::make_plan(cmd);
    if (!plan)
        return plan.error();
    return prepared_spawn(std::unique_ptr<launch_ticket>(new launch_ticket{
        std::move(plan).value(), std::make_shared<child_state>(executor), data.backend, wish_for(data.reaper)}));
}

int prepared_spawn::take_parent_end(int child_fd) noexcept
{
    auto& ends = ticket_->plan->parent_ends;
    auto const end = ends.find(child_fd);
    return end == ends.end() ? -1 : end->second.release();
}

int prepared_spawn::take_terminal() noexcept { return ticket_->plan->terminal.release(); }

error_code prepared_spawn::keep_borrowed() { return launch::keep_borrowed(*ticket_->plan); }

void prepared_spawn::join_group(pid_t leader) noexcept
{
    auto& plan = *ticket_->plan;
    for (auto& step : plan.steps)
        if (step.what == launch::action::set_group)
            step.a = leader;
    plan.own_group = false;
}

result<child_handle> prepared_spawn::start(std::unique_ptr<streams_base> streams)
{
    auto made = launch::launch(*ticket_->plan, ticket_->backend, ticket_->wish);
    if (!made)
        return made.error();
    auto& plan = *ticket_->plan;
    ticket_->state->adopt(made.value().pid, std::move(made.value().pidfd));
    ticket_->state->equip({plan.own_group, std::move(plan.cgroup)}, std::move(streams), true);
    return child_handle(std::move(ticket_->state));
}

std::weak_ptr<spawn_op> prepared_spawn::async_start(
    asio::any_io_executor const& executor, std::unique_ptr<streams_base> streams, spawn_handler handler)
{
    if (auto ec = keep_borrowed(); ec.failed()) {
        fail_spawn(executor, ec, std::move(handler));
        return {};
    }
    auto const op = std::make_shared<spawn_op>(std::move(*ticket_), std::move(streams));
    op->start(executor, std::move(handler));
    return op;
}

void fail_spawn(asio::any_io_executor const& executor, error_code why, spawn_handler handler)
{
    basic_completion<child_handle>(std::move(handler), executor).post(why, child_handle());
}

void close_descriptor(int fd) noexcept { ::close(fd); }

} // namespace detail

error_code exec(command const& cmd)
{
    if (auto ec = detail::refuse_parent_ends(cmd.data()); ec.failed())
        return ec;
    auto const plan = launch::make_plan(cmd);
    if (!plan)
        return plan.error();
    return launch::execute_in_place(*plan.value());
}

} // namespace brood
