// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/process_state.hpp"

#include "os/descriptors.hpp"
#include "status/from_siginfo.hpp"

#include <signal.h>

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

} // namespace

bool process_state::may_be_reaped_yet()
{
    auto const now = std::chrono::steady_clock::now();
    if (!exit_seen_)
        exit_seen_ = now;
    return now < *exit_seen_ + grace && os::may_recall_status(id_.pidfd);
}

bool process_state::poll_end()
{
    if (ended_ || !os::has_exited(id_.pidfd))
        return ended_;
    if (auto const end = os::peek_end(id_.pidfd)) // a child of this process
        status_ = status::from_siginfo(end->code, end->status);
    else if (auto const recalled = os::recall_status(id_.pidfd))
        status_ = exit_status::from_raw(*recalled);
    else if (may_be_reaped_yet())
        return false;
    else
        error_ = errc::status_lost;
    ended_ = true;
    return true;
}

// On a descriptor of its own: another wait that completes meanwhile closes the one that there is.
result<exit_status> process_state::wait()
{
    std::unique_lock lock(mutex_);
    while (!poll_end()) {
        auto const pidfd = os::duplicate_above(id_.pidfd, 2);
        if (!pidfd)
            return pidfd.error();
        bool const exited = exit_seen_.has_value();
        lock.unlock();
        auto const waited =
            exited ? os::wait_for_reap(pidfd.value().get(), grace) : os::wait_for_exit(pidfd.value().get());
        if (!waited)
            return waited.error();
        lock.lock();
    }
    finish(std::move(lock));
    return outcome();
}

result<void> process_state::signal(int number)
{
    std::lock_guard lock(mutex_);
    if (ended_ || os::has_exited(id_.pidfd))
        return sys::make_error_code(sys::no_such_process);
    return os::send_signal(id_, number);
}

result<void> process_state::kill()
{
    auto const sent = signal(SIGKILL);
    if (!sent && sent.error() == sys::no_such_process)
        return boost::outcome_v2::success();
    return sent;
}

} // namespace brood::detail
