// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_REAP_LINUX_READY_SET_HPP
#define BROOD_LIB_REAP_LINUX_READY_SET_HPP

#include "reap/loop_executor.hpp"
#include "reap/watch.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <array>
#include <cstdint>
#include <mutex>

namespace brood::reap {

class ready_set;

/// Tells when one descriptor is ready.
class ready_watch : public watch {
public:
    /// `events`: EPOLLIN, for instance. That the other end is gone is always told.
    ready_watch(ready_set& set, std::uint32_t events) noexcept : set_(set), events_(events) {}
    ~ready_watch() override { (void)release(); }

    ready_watch(ready_watch const&) = delete; // the set has its address
    ready_watch& operator=(ready_watch const&) = delete;

    /// Takes the descriptor, once, unless it fails.
    error_code start(os::unique_fd& fd, observer_ptr told);

    error_code arm(observer_ptr told) override { return arm(events_, std::move(told)); }
    void disarm() noexcept override;
    os::unique_fd release() noexcept override;

protected:
    error_code arm(std::uint32_t events, observer_ptr told);

    ready_set& set_;

private:
    friend class ready_set;

    std::uint32_t const events_;
    bool reportable_ = false; // the epoll may tell of it
    os::unique_fd fd_;        // in the epoll as long as it is here
    observer_ptr told_;       // while armed
    ready_watch* previous_ = nullptr;
    ready_watch* next_ = nullptr;
};

/// The descriptors that the processes of one execution context are waited for with.
/**
 * They have an epoll of their own, and that is what Asio's reactor waits for. What the reactor keeps for each
 * descriptor of its own, and does at its registration and its removal, is meant for one that tells often.
 */
class ready_set final : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;

    /// May throw what making a reactor throws.
    explicit ready_set(asio::execution_context& context);

    loop_executor executor() const noexcept { return loop_; }

private:
    friend class ready_watch;

    void shutdown() override;
    void notify_fork(asio::execution_context::fork_event event) override;
    void open();

    error_code add(ready_watch& one, os::unique_fd& fd, observer_ptr& told);
    error_code arm(ready_watch& one, std::uint32_t events, observer_ptr& told);
    observer_ptr disarm(ready_watch& one) noexcept;
    os::unique_fd remove(ready_watch& one) noexcept;

    // All below are called with the lock.
    void keep(ready_watch& one, observer_ptr& told);
    observer_ptr take_observer(ready_watch& one) noexcept;
    void unlink(ready_watch& one) noexcept;
    void listen();

    static constexpr std::size_t most_at_once = 32;
    using told_list = std::array<observer_ptr, most_at_once>;
    std::size_t take_ready(told_list& told);

    void on_ready(error_code ec);

    loop_executor const loop_;
    std::mutex mutex_;
    asio::posix::basic_stream_descriptor<loop_executor> epoll_;
    ready_watch* first_ = nullptr;
    std::size_t armed_ = 0;
    bool listening_ = false;
};

} // namespace brood::reap

#endif
