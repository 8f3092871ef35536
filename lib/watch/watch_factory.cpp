// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"
#include "watch/watch.hpp"

namespace brood::detail {

watch_result watch_child(asio::any_io_executor const& executor, pid_t pid, os::unique_fd& pidfd, observer_ptr observer)
{
    if (pidfd)
        if (auto created = watch_pidfd(executor, pidfd, observer))
            return created;
    return watch_sigchld(executor, pid, std::move(observer));
}

error_code prepare_watches(asio::any_io_executor const& executor, bool by_pidfd)
{
    bool const prepared = by_pidfd && !prepare_pidfd_watches(executor).failed();
    return prepared ? error_code() : prepare_sigchld_watches(executor);
}

bool available(exit_watcher choice) noexcept { return choice != exit_watcher::pidfd || os::pidfd_available(); }

} // namespace brood::detail
