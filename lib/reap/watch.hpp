// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_REAP_WATCH_HPP
#define BROOD_LIB_REAP_WATCH_HPP

#include "os/unique_fd.hpp"

#include <brood/command.hpp>
#include <brood/result.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <memory>

#include <sys/types.h>

namespace brood::reap {

namespace asio = boost::asio;

/// Where an observer may call the application's handlers: those that are called in here hold up who is told next.
enum class calling { here, later };

/// Is told when what it waits for may have happened.
class observer {
public:
    /// Called on a thread of the event loop, without any lock. It is a hint: the child may still run.
    virtual void hinted(calling where) = 0;

protected:
    ~observer() = default;
};

using observer_ptr = std::shared_ptr<observer>;

/// Tells of one thing, such as that one child can be reaped. Never reaps: child_state does, whose lock lets its calls
/// in one at a time.
class watch {
public:
    virtual ~watch() = default;

    /// Tells the observer once, unless disarmed before; keeps it alive until then, and the event loop at work.
    virtual error_code arm(observer_ptr told) = 0;

    /// The same after a hint that was wrong, as the next one may be.
    virtual error_code rearm(observer_ptr told) { return arm(std::move(told)); }

    virtual void disarm() noexcept = 0;

    /// Ends the watch, which held a descriptor, unless it goes by signals.
    virtual os::unique_fd release() noexcept = 0;
};

using watch_result = result<std::unique_ptr<watch>>;

// Each gives a watch that is armed.

/// Watches through the child's pidfd. Takes it, unless it fails.
watch_result watch_pidfd(asio::any_io_executor const& executor, os::unique_fd& pidfd, observer_ptr told);

/// The same for a process that may be no child, which somebody else reaps.
/**
 * It may be armed again after its hint that the process has ended: then it tells of the reap, or that `grace` is
 * over.
 */
watch_result watch_foreign(
    asio::any_io_executor const& executor, os::unique_fd& pidfd, std::chrono::milliseconds grace, observer_ptr told);

/// Tells when nobody has a pipe's writing end any more; into which nobody writes. Takes the reading end.
watch_result watch_pipe(asio::any_io_executor const& executor, os::unique_fd reading, observer_ptr told);

/// Watches through SIGCHLD.
watch_result watch_sigchld(asio::any_io_executor const& executor, pid_t pid, observer_ptr told);

/// The best watch for a child; one without a pidfd leaves SIGCHLD alone.
watch_result watch_child(asio::any_io_executor const& executor, pid_t pid, os::unique_fd& pidfd, observer_ptr told);

/// Whether the system has a reaper, so that a command may force it.
bool available(exit_reaper choice) noexcept;

} // namespace brood::reap

#endif
