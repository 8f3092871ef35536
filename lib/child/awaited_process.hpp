// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_AWAITED_PROCESS_HPP
#define BROOD_LIB_CHILD_AWAITED_PROCESS_HPP

#include "child/completion.hpp"
#include "os/process.hpp"
#include "reap/watch.hpp"

#include <brood/child.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace brood::detail {

class child_registry;

/// A process whose end any number of handlers wait for. How its end is learnt, its kinds know.
class awaited_process : public reap::observer, public std::enable_shared_from_this<awaited_process> {
public:
    explicit awaited_process(asio::any_io_executor executor);
    virtual ~awaited_process();

    awaited_process(awaited_process const&) = delete;
    awaited_process& operator=(awaited_process const&) = delete;

    pid_t id() const noexcept { return id_.pid; }
    int native_handle() const noexcept;
    asio::any_io_executor executor() const;

    void async_wait(wait_handler handler);
    result<std::optional<exit_status>> try_wait();

    /// The event loop is going: pending waits are destroyed uninvoked.
    virtual void context_gone() noexcept;

protected:
    /// Finds out, with the lock, whether the process has ended; then it has set the members that tell so.
    virtual bool poll_end() = 0;
    virtual reap::watch_result make_watch(reap::observer_ptr told) = 0; // with the lock

    void take(pid_t pid, os::unique_fd pidfd) noexcept;
    void leave_context() noexcept;

    /// Takes the descriptor back from the watch, which does nothing any more; with the lock, or with nobody else left.
    void end_watch() noexcept;

    /// To be called after the end, with the lock, which it gives up: waits complete, and nothing is watched.
    void finish(std::unique_lock<std::mutex> lock);
    result<exit_status> outcome() const;

    mutable std::mutex mutex_;
    asio::any_io_executor executor_;
    os::child_id id_{0, -1};
    os::unique_fd pidfd_; // until there is a watch, which then owns it
    std::unique_ptr<reap::watch> watch_;
    bool ended_ = false;
    bool seen_running_ = false; // a moment ago, so that the first wait need not look
    error_code error_;          // of the end, once it has come
    exit_status status_;

private:
    struct waiter {
        std::uint64_t id;
        completion then;
    };

    // What is left to do without the lock once the process has ended.
    struct ending {
        std::vector<waiter> waiters;
        std::unique_ptr<reap::watch> watch;
    };

    void hinted(reap::calling where) override;
    ending take_ending(); // with the lock

    // With the lock.
    error_code arm();
    error_code rearm();
    void fail_waits(error_code ec);

    void cancel_wait(std::uint64_t id);

    std::vector<waiter> waiters_;
    std::uint64_t next_waiter_ = 0;

    friend class child_registry;
    child_registry* registry_ = nullptr; // null once the context is gone
    awaited_process* previous_ = nullptr;
    awaited_process* next_ = nullptr;
};

} // namespace brood::detail

#endif
