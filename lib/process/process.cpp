// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/process.hpp"

#include "os/descriptors.hpp"
#include "process/siginfo_status.hpp"

#include <signal.h>

namespace brood::detail {

namespace sys = boost::system::errc;

result<process_ptr> open_process(asio::any_io_executor const& executor, pid_t pid)
{
    if (pid <= 0)
        return make_error_code(sys::invalid_argument);
    if (!os::pidfd_available())
        return make_error_code(sys::not_supported);
    auto pidfd = os::open_pidfd(pid);
    if (!pidfd)
        return pidfd.error();
    auto state = std::make_shared<process_state>(executor);
    state->assign(pid, std::move(pidfd).value());
    return process_ptr(std::move(state));
}

bool process_state::can_still_be_reaped()
{
    auto const now = std::chrono::steady_clock::now();
    if (!exit_seen_)
        exit_seen_ = now;
    return now < *exit_seen_ + reap_grace && os::may_recall_status(id_.pidfd);
}

bool process_state::poll_end()
{
    if (ended_)
        return true;
    auto const exited = os::has_exited(id_.pidfd);
    error_ = exited ? error_code() : exited.error();
    if (!exited || !exited.value())
        return false;
    if (auto const end = os::peek_end(id_.pidfd)) // a child of this process
        status_ = from_siginfo(end->code, end->status);
    else if (auto const recalled = os::recall_status(id_.pidfd))
        status_ = exit_status::from_raw(*recalled);
    else if (can_still_be_reaped())
        return false;
    else
        error_ = errc::status_lost;
    ended_ = true;
    return true;
}

// Waits on a duplicate: another wait that completes meanwhile closes the descriptor.
result<exit_status> process_state::wait()
{
    std::unique_lock lock(mutex_);
    while (!poll_end()) {
        if (error_.failed())
            return error_;
        auto const pidfd = os::duplicate_above(id_.pidfd, 2);
        if (!pidfd)
            return pidfd.error();
        bool const exited = exit_seen_.has_value();
        lock.unlock();
        auto const waited =
            exited ? os::wait_for_reap(pidfd.value().get(), reap_grace) : os::wait_for_exit(pidfd.value().get());
        if (!waited)
            return waited.error();
        lock.lock();
    }
    complete_waits(std::move(lock));
    return outcome();
}

result<void> process_state::signal(int number)
{
    std::lock_guard lock(mutex_);
    if (auto const exited = os::has_exited(id_.pidfd); ended_ || (exited && exited.value()))
        return no_process();
    return os::send_signal({-1, id_.pidfd}, number); // its parent may reap it at any time
}

result<void> process_state::kill()
{
    auto const sent = signal(SIGKILL);
    if (!sent && sent.error() == sys::no_such_process)
        return boost::outcome_v2::success();
    return sent;
}

void process_state::async_kill(wait_handler handler)
{
    if (auto const sent = kill(); !sent)
        return fail_wait(executor(), sent.error(), std::move(handler));
    start_wait(std::move(handler));
}

} // namespace brood::detail
