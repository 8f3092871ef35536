// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_WAITABLE_HPP
#define BROOD_LIB_PROCESS_WAITABLE_HPP

#include "os/process.hpp"
#include "process/completion.hpp"
#include "watch/watch.hpp"

#include <brood/detail/handle.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace brood::detail {

class context_registry;

/// A process that any number of handlers wait for. Derived classes detect the exit.
class waitable : public watch_observer, public std::enable_shared_from_this<waitable> {
public:
    explicit waitable(asio::any_io_executor executor);
    virtual ~waitable();

    waitable(waitable const&) = delete;
    waitable& operator=(waitable const&) = delete;

    /// Assigns the process. Called once, before anything else.
    void assign(pid_t pid, os::unique_fd pidfd) noexcept;

    asio::any_io_executor executor() const;

    /// The context is being destroyed: pending waits are destroyed without being invoked.
    virtual void on_context_shutdown() noexcept;

    /// Whether a wait has seen the end.
    bool has_ended() const noexcept;

    /// Completes the waits if a process has been assigned and has ended.
    void poll_assigned();

protected:
    pid_t id_of_process() const noexcept { return id_.pid; }
    int pidfd_of_process() const noexcept;
    void start_wait(wait_handler handler, void const* owner = nullptr);
    result<std::optional<exit_status>> poll();
    void abandon_waits(void const* owner, error_code error);

    /// Gives the pidfd away. Pending waits are notified by SIGCHLD from now on.
    os::unique_fd release_pidfd();

    /// Whether the process has ended. If so, sets `ended_`, and `status_` or `error_`. Called with the lock.
    /**
     * If the system does not report it, the function returns false and sets `error_`.
     */
    virtual bool poll_end() = 0;

    /// Creates an armed watch. Called with the lock.
    virtual watch_result create_watch(observer_ptr observer) = 0;

    void leave_context() noexcept;

    /// Takes the descriptor back from the watch. Called with the lock, or when nothing else refers to this object.
    void end_watch() noexcept;

    /// Completes the waits after the end. Called with the lock, which it releases.
    void complete_waits(std::unique_lock<std::mutex> lock);

    result<exit_status> outcome() const;

    mutable std::mutex mutex_;
    asio::any_io_executor executor_;
    os::child_id id_{0, -1};
    os::unique_fd pidfd_; // empty while the watch owns the descriptor
    exit_status status_;  // valid after the end
    std::unique_ptr<watch> watch_;
    error_code error_; // of the last call of `poll_end`; after the end, why there is no status
    bool ended_ = false;
    bool seen_running_ = false;      // the process has just been started: the first wait does not poll
    bool is_watch_outdated_ = false; // `create_watch` would create another one

private:
    struct waiter {
        std::uint64_t id;
        void const* owner; // see `abandon_waits`
        completion done;
    };

    // What remains to be done without the lock after the end.
    struct ending {
        std::vector<waiter> waiters;
        std::unique_ptr<watch> ended_watch;
    };

    void on_ready(completion_mode mode) override;
    void on_failure(error_code error) override;

    void fail_waits(error_code error, std::unique_lock<std::mutex> lock);

    // Called with the lock.
    ending take_ending();
    error_code arm();
    error_code rearm();

    void cancel_wait(std::uint64_t id);

    // Ends the watch if nothing else waits. Called with the lock, which it releases.
    completion take_waiter(std::vector<waiter>::iterator at, std::unique_lock<std::mutex> lock);

    std::uint64_t next_waiter_ : 40 = 0; // 40 bits share a word with the flags above
    std::vector<waiter> waiters_;

    friend class context_registry;
    context_registry* registry_ = nullptr; // null after the context has been destroyed
    waitable* previous_ = nullptr;
    waitable* next_ = nullptr;
};

} // namespace brood::detail

#endif
