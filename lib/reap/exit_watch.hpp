// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_REAP_EXIT_WATCH_HPP
#define BROOD_LIB_REAP_EXIT_WATCH_HPP

#include "os/unique_fd.hpp"

#include <brood/command.hpp>
#include <brood/result.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <memory>

#include <sys/types.h>

namespace brood::reap {

namespace asio = boost::asio;

/// Is told when its child may have ended. child_state is the one there is.
class exit_observer {
public:
    /// Called on a thread of the event loop, without any lock. It is a hint: the child may still run.
    virtual void exit_hinted() = 0;

protected:
    ~exit_observer() = default;
};

/// Tells when one child can be reaped. Never reaps: child_state does, whose lock lets its calls in one at a time.
class exit_watch {
public:
    virtual ~exit_watch() = default;

    /// Tells the observer once, unless disarmed before; keeps it alive until then, and the event loop at work.
    virtual error_code arm(std::shared_ptr<exit_observer> observer) = 0;

    /// The same after a hint that was wrong, as the next one may be.
    virtual error_code rearm(std::shared_ptr<exit_observer> observer) = 0;

    virtual void disarm() noexcept = 0;

    /// Ends the watch, which held the child's pidfd, if there is one.
    virtual os::unique_fd release() noexcept = 0;
};

using watch_result = result<std::unique_ptr<exit_watch>>;

/// Watches through the child's pidfd, registered with the reactor. Takes it, unless it fails.
watch_result watch_pidfd(asio::any_io_executor const& executor, os::unique_fd& pidfd);

/// The same for a process that may be no child, which somebody else reaps.
/**
 * It may be armed again after its hint that the process has ended: then it tells of the reap, or that `grace` is
 * over.
 */
watch_result
watch_foreign(asio::any_io_executor const& executor, os::unique_fd& pidfd, std::chrono::milliseconds grace);

/// Watches through SIGCHLD.
watch_result watch_sigchld(asio::any_io_executor const& executor, pid_t pid);

/// The best watch for a child; one without a pidfd leaves SIGCHLD alone.
watch_result watch(asio::any_io_executor const& executor, pid_t pid, os::unique_fd& pidfd);

/// Whether the system has a reaper, so that a command may force it.
bool available(exit_reaper choice) noexcept;

} // namespace brood::reap

#endif
