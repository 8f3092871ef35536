// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/child_state.hpp"

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

error_code no_child() { return sys::make_error_code(sys::no_child_process); }
error_code no_process() { return sys::make_error_code(sys::no_such_process); }

} // namespace

child_handle::child_handle() noexcept = default;
child_handle::child_handle(state_ptr state) noexcept : state_(std::move(state)) {}
child_handle::child_handle(child_handle&&) noexcept = default;

child_handle& child_handle::operator=(child_handle&& other) noexcept
{
    child_handle dropped(std::move(*this));
    state_ = std::move(other.state_);
    closed_ = std::move(other.closed_);
    return *this;
}

child_handle::~child_handle()
{
    if (state_)
        state_->drop();
}

pid_t child_handle::id() const noexcept { return state_ ? state_->id() : 0; }
int child_handle::native_handle() const noexcept { return state_ ? state_->native_handle() : -1; }

result<exit_status> child_handle::wait()
{
    if (!state_)
        return no_child();
    return state_->wait();
}

result<std::optional<exit_status>> child_handle::try_wait()
{
    if (!state_)
        return no_child();
    return state_->try_wait();
}

result<void> child_handle::kill()
{
    if (!state_)
        return no_process();
    return state_->kill();
}

result<void> child_handle::kill_tree()
{
    if (!state_)
        return no_process();
    return state_->kill_tree();
}

result<void> child_handle::signal(int number)
{
    if (!state_)
        return no_process();
    return state_->signal(number);
}

result<void> child_handle::signal_group(int number)
{
    if (!state_)
        return no_process();
    return state_->signal_widely(number);
}

std::optional<resource_usage> child_handle::usage() const { return state_ ? state_->usage() : std::nullopt; }

void child_handle::detach() noexcept
{
    if (state_)
        state_->detach();
}

std::unique_ptr<streams_base>& child_handle::streams() noexcept { return state_ ? state_->streams : closed_; }

} // namespace brood::detail
