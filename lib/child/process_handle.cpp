// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/process_state.hpp"

#include <boost/asio/error.hpp>

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

error_code no_process() { return sys::make_error_code(sys::no_such_process); }

void fail(asio::any_io_executor const& executor, wait_handler handler, error_code ec)
{
    completion(std::move(handler), executor).post(ec, exit_status());
}

} // namespace

result<process_handle> process_handle::open(asio::any_io_executor const& executor, pid_t pid)
{
    if (pid <= 0)
        return sys::make_error_code(sys::invalid_argument);
    if (!os::pidfd_available())
        return sys::make_error_code(sys::not_supported);
    auto pidfd = os::open_pidfd(pid);
    if (!pidfd)
        return pidfd.error();
    auto state = std::make_shared<process_state>(executor);
    state->adopt(pid, std::move(pidfd).value());
    return process_handle(std::move(state));
}

pid_t process_handle::id() const noexcept { return state_ ? state_->id() : 0; }
int process_handle::native_handle() const noexcept { return state_ ? state_->native_handle() : -1; }

result<exit_status> process_handle::wait()
{
    if (!state_)
        return no_process();
    return state_->wait();
}

result<std::optional<exit_status>> process_handle::try_wait()
{
    if (!state_)
        return no_process();
    return state_->try_wait();
}

result<void> process_handle::kill()
{
    if (!state_)
        return no_process();
    return state_->kill();
}

result<void> process_handle::signal(int number)
{
    if (!state_)
        return no_process();
    return state_->signal(number);
}

void async_wait(process_ptr const& state, asio::any_io_executor const& fallback, wait_handler handler)
{
    if (!state)
        return fail(fallback, std::move(handler), no_process());
    state->async_wait(std::move(handler));
}

void async_kill(process_ptr const& state, asio::any_io_executor const& fallback, wait_handler handler)
{
    if (!state)
        return fail(fallback, std::move(handler), no_process());
    if (auto killed = state->kill(); !killed)
        return fail(fallback, std::move(handler), killed.error());
    state->async_wait(std::move(handler));
}

} // namespace brood::detail
