// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"
#include "reap/exit_watch.hpp"

#include <boost/system/system_error.hpp>

namespace brood::reap {

watch_result watch(asio::any_io_executor const& executor, pid_t pid, os::unique_fd& pidfd)
{
    try {
        if (pidfd)
            if (auto made = watch_pidfd(executor, pidfd))
                return made;
        return watch_sigchld(executor, pid);
    } catch (boost::system::system_error const& failed) { // the context's reactor, made on first use
        return failed.code();
    }
}

bool available(exit_reaper choice) noexcept { return choice != exit_reaper::pidfd || os::pidfd_available(); }

} // namespace brood::reap
