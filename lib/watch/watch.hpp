// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_WATCH_WATCH_HPP
#define BROOD_LIB_WATCH_WATCH_HPP

#include "os/unique_fd.hpp"

#include <brood/backend.hpp>
#include <brood/result.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <span>
#include <utility>

#include <sys/types.h>

namespace brood::detail {

namespace asio = boost::asio;

/// How an observer may complete its operations.
enum class completion_mode {
    dispatch, ///< Handlers may be called before `on_ready` returns. The next observer waits for them.
    post,     ///< Handlers must not be called before `on_ready` returns.
};

/// Receives the notification of a watch.
class watch_observer {
public:
    /// Called on a thread of the event loop without any lock. It is a hint: the process may still run.
    virtual void on_ready(completion_mode mode) = 0;

    /// Called instead if the event loop fails to watch. Calls no handler before it returns.
    virtual void on_failure(error_code error) = 0;

protected:
    ~watch_observer() = default;
};

using observer_ptr = std::shared_ptr<watch_observer>;

/// Notifies observers, all of them even if one throws. The last one may complete its operations at once.
inline void notify(std::span<observer_ptr> observers)
{
    std::exception_ptr failure;
    for (auto& pending : observers)
        try {
            bool const last = &pending == &observers.back();
            if (auto const observer = std::exchange(pending, nullptr))
                observer->on_ready(last ? completion_mode::dispatch : completion_mode::post);
        } catch (...) {
            failure = failure ? failure : std::current_exception();
        }
    if (failure)
        std::rethrow_exception(failure);
}

/// Whether a wait has ended because the event loop cannot watch.
inline bool is_failure(error_code const& error) { return error.failed() && error != asio::error::operation_aborted; }

/// Watches for one event, for example that a child can be reaped. It never reaps: only child_state does.
class watch {
public:
    virtual ~watch() = default;

    /// Notifies the observer once, unless disarmed before. Until then it keeps the observer and the event loop alive.
    virtual error_code arm(observer_ptr observer) = 0;

    /// Arms the watch again after a hint that was wrong. The next hint may be wrong, too.
    virtual error_code rearm(observer_ptr observer) { return arm(std::move(observer)); }

    virtual void disarm() noexcept = 0;

    /// Ends the watch and returns its descriptor, if it owns one.
    virtual os::unique_fd release() noexcept = 0;
};

using watch_result = result<std::unique_ptr<watch>>;

// Each function returns an armed watch.

/// Watches a child through its pidfd. Takes the descriptor on success.
watch_result watch_pidfd(asio::any_io_executor const& executor, os::unique_fd& pidfd, observer_ptr observer);

/// Watches a process that may not be a child, and that other code reaps.
/**
 * If it is armed again after the hint that the process has ended, it notifies when the process has been reaped or when
 * `grace` has expired.
 */
watch_result watch_foreign(
    asio::any_io_executor const& executor, os::unique_fd& pidfd, std::chrono::milliseconds grace,
    observer_ptr observer);

/// Notifies when every copy of the write end of a pipe has been closed. Takes the read end. Nothing is ever written.
watch_result watch_pipe(asio::any_io_executor const& executor, os::unique_fd read_end, observer_ptr observer);

/// Notifies when a file of the kernel has an exceptional condition (POLLPRI). The caller keeps the descriptor.
watch_result watch_changes(asio::any_io_executor const& executor, int fd, observer_ptr observer);

/// Watches a child through SIGCHLD.
watch_result watch_sigchld(asio::any_io_executor const& executor, pid_t pid, observer_ptr observer);

/// Notifies the watch of the pid through SIGCHLD, if there is one.
void notify_sigchld_watch(pid_t pid) noexcept;

/// Watches a child through its pidfd if there is one, else through SIGCHLD, which leaves `pidfd` to the caller.
watch_result watch_child(asio::any_io_executor const& executor, pid_t pid, os::unique_fd& pidfd, observer_ptr observer);

/// Creates what all watches of children in a context share, so that a shortage is found before a child is started.
error_code prepare_watches(asio::any_io_executor const& executor, bool by_pidfd);
error_code prepare_pidfd_watches(asio::any_io_executor const& executor);
error_code prepare_sigchld_watches(asio::any_io_executor const& executor);

/// Whether the system supports a watcher.
bool available(exit_watcher choice) noexcept;

} // namespace brood::detail

#endif
