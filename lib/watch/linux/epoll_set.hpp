// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_WATCH_LINUX_EPOLL_SET_HPP
#define BROOD_LIB_WATCH_LINUX_EPOLL_SET_HPP

#include "watch/inline_executor.hpp"
#include "watch/watch.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

#include <sys/types.h>

namespace brood::detail {

class epoll_set;

/// Watches one descriptor of an `epoll_set`.
class epoll_watch : public watch {
public:
    /// `events`: for example EPOLLIN. A hangup is always reported.
    epoll_watch(epoll_set& set, std::uint32_t events) noexcept : set_(set), events_(events) {}
    ~epoll_watch() override { (void)release(); }

    epoll_watch(epoll_watch const&) = delete; // the set holds its address
    epoll_watch& operator=(epoll_watch const&) = delete;

    /// Arms the watch for the first time. Takes the descriptor on success.
    error_code start(os::unique_fd& fd, observer_ptr observer);

    error_code arm(observer_ptr observer) override { return arm(events_, std::move(observer)); }
    void disarm() noexcept override;
    os::unique_fd release() noexcept override;

protected:
    error_code arm(std::uint32_t events, observer_ptr observer);

    epoll_set& set_;

private:
    friend class epoll_set;

    std::uint32_t const events_;
    bool reportable_ = false; // the epoll may report the descriptor
    os::unique_fd fd_;        // registered in the epoll until released
    observer_ptr observer_;   // null unless armed
    epoll_watch* previous_ = nullptr;
    epoll_watch* next_ = nullptr;
};

/// The watched descriptors of one execution context.
/**
 * They are registered in a separate epoll, and Asio's reactor waits only for that epoll. The reactor's memory and time
 * for each registered descriptor are too high for a descriptor that becomes ready once.
 */
class epoll_set final : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;

    /// Throws `system_error` if the reactor or the epoll cannot be created.
    explicit epoll_set(asio::execution_context& context);
    ~epoll_set() override;

    inline_executor executor() const noexcept { return loop_; }

private:
    friend class epoll_watch;

    void shutdown() override;
    void notify_fork(asio::execution_context::fork_event event) override;
    void open();
    bool is_own() const noexcept;

    error_code add(epoll_watch& entry, os::unique_fd& fd, observer_ptr& observer);
    error_code arm(epoll_watch& entry, std::uint32_t events, observer_ptr& observer);
    observer_ptr disarm(epoll_watch& entry) noexcept;
    os::unique_fd remove(epoll_watch& entry) noexcept;

    // The following functions are called with the lock.
    void keep(epoll_watch& entry, observer_ptr& observer);
    observer_ptr take_observer(epoll_watch& entry) noexcept;
    void unlink(epoll_watch& entry) noexcept;
    void listen();

    using descriptor = asio::posix::basic_stream_descriptor<inline_executor>;

    static constexpr std::size_t max_events = 32;
    using observer_list = std::array<observer_ptr, max_events>;
    std::size_t take_ready(observer_list& observers);

    void on_epoll_ready(error_code ec);
    void listen_if_armed();
    void fail_all(error_code error);
    observer_ptr take_any_observer() noexcept;

    inline_executor const loop_;
    std::mutex mutex_;
    std::unique_ptr<descriptor> epoll_;
    pid_t owner_ = 0; // the process that has opened the epoll
    epoll_watch* first_ = nullptr;
    std::size_t armed_ = 0;
    bool listening_ = false;
};

} // namespace brood::detail

#endif
