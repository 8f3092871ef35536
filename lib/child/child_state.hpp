// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_CHILD_STATE_HPP
#define BROOD_LIB_CHILD_CHILD_STATE_HPP

#include "child/completion.hpp"
#include "os/process.hpp"
#include "reap/exit_watch.hpp"

#include <brood/child.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace brood::detail {

class child_registry;

/// One child. The only code that reaps, and the only code that signals: both under one lock, so that a signal
/// never reaches a recycled pid, and two waits never race for one status.
/**
 * It is shared by the child object and by pending operations. When the last of them lets go of a child that has
 * not been reaped, the child goes to the background loop.
 */
class child_state final : public reap::exit_observer, public std::enable_shared_from_this<child_state> {
public:
    explicit child_state(asio::any_io_executor executor);
    ~child_state();

    child_state(child_state const&) = delete;
    child_state& operator=(child_state const&) = delete;

    /// Takes a child that was just made. Once, before anything else.
    void adopt(pid_t pid, os::unique_fd pidfd, bool own_group, std::unique_ptr<streams_base> streams) noexcept;

    pid_t id() const noexcept { return id_.pid; }
    int native_handle() const noexcept;
    asio::any_io_executor executor() const;

    result<exit_status> wait();
    result<std::optional<exit_status>> try_wait();
    result<void> kill();
    result<void> signal(int number);
    result<void> signal_group(int number);
    std::optional<resource_usage> usage() const;

    /// Signals the child's own group where it has one, else the child.
    result<void> signal_widely(int number) { return own_group_ ? signal_group(number) : signal(number); }

    void async_wait(wait_handler handler);

    void detach() noexcept;
    /// The child object is gone.
    void drop() noexcept;
    /// The event loop is going: pending waits are destroyed uninvoked.
    void context_gone() noexcept;

    std::unique_ptr<streams_base> streams;

private:
    struct waiter {
        std::uint64_t id;
        completion then;
    };

    // What is left to do without the lock once the child has ended.
    struct ending {
        std::vector<waiter> waiters;
        std::unique_ptr<reap::exit_watch> watch;
    };

    enum class how { post, dispatch };

    void exit_hinted() override;
    bool poll_end();      // with the lock; whether the child has ended
    ending take_ending(); // with the lock, after the end
    error_code arm();     // with the lock
    void cancel_wait(std::uint64_t id);
    result<exit_status> outcome() const;
    result<void> send(int number, bool to_group);
    void complete(ending done, how way);

    mutable std::mutex mutex_;
    asio::any_io_executor executor_;
    os::child_id id_{0, -1};
    os::unique_fd pidfd_; // until there is a watch, which then owns it
    std::unique_ptr<reap::exit_watch> watch_;
    std::vector<waiter> waiters_;
    std::uint64_t next_waiter_ = 0;
    bool blocking_wait_ = false; // one thread is in waitid, so nobody reaps: its pid must stay the child's
    std::condition_variable blocking_wait_over_;
    bool own_group_ = false;
    bool detached_ = false;
    std::atomic<bool> killed_ = false;
    bool ended_ = false;
    error_code error_; // of the end, once it has come
    exit_status status_;
    std::optional<resource_usage> usage_;

    friend class child_registry;
    child_registry* registry_ = nullptr; // null once the context is gone
    child_state* previous_ = nullptr;
    child_state* next_ = nullptr;
};

} // namespace brood::detail

#endif
