// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"
#include "reap/watch.hpp"

namespace brood::reap {

watch_result watch_child(asio::any_io_executor const& executor, pid_t pid, os::unique_fd& pidfd, observer_ptr told)
{
    if (pidfd)
        if (auto made = watch_pidfd(executor, pidfd, told))
            return made;
    return watch_sigchld(executor, pid, std::move(told));
}

bool available(exit_reaper choice) noexcept { return choice != exit_reaper::pidfd || os::pidfd_available(); }

} // namespace brood::reap
