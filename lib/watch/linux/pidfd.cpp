// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"
#include "watch/catch_reactor_error.hpp"
#include "watch/linux/epoll_set.hpp"
#include "watch/notify_after.hpp"
#include "watch/reactor_watch.hpp"

#include <algorithm>
#include <utility>

#include <sys/epoll.h>

namespace brood::detail {
namespace {

using std::chrono::milliseconds;

class pidfd_watch : public epoll_watch {
public:
    explicit pidfd_watch(epoll_set& set) noexcept : epoll_watch(set, EPOLLIN) {}

    void disarm() noexcept override
    {
        epoll_watch::disarm();
        timer_.reset();
    }

protected:
    void notify_after(milliseconds time, observer_ptr observer)
    {
        timer_ = detail::notify_after(set_.executor(), time, std::move(observer));
    }

private:
    std::unique_ptr<inline_timer> timer_; // null for most watches
};

class child_watch final : public pidfd_watch {
public:
    using pidfd_watch::pidfd_watch;

    // The pidfd of a traced child can be ready long before the tracer lets the child be reaped. The watch therefore
    // alternates between a pause and the reactor: this is neither a busy loop nor permanent polling.
    error_code rearm(observer_ptr observer) override
    {
        paused_ = !paused_;
        if (!paused_)
            return arm(std::move(observer));
        notify_after(pause_, std::move(observer));
        pause_ = std::min(2 * pause_, milliseconds(64));
        return {};
    }

private:
    milliseconds pause_{1};
    bool paused_ = false;
};

class epoll_foreign_watch final : public pidfd_watch {
public:
    epoll_foreign_watch(epoll_set& set, milliseconds grace) noexcept : pidfd_watch(set), grace_(grace) {}

    // The pidfd hangs up when the process is reaped. A hangup is reported without requesting an event.
    error_code rearm(observer_ptr observer) override
    {
        if (auto ec = arm(0, observer); ec.failed())
            return ec;
        notify_after(grace_, std::move(observer));
        return {};
    }

private:
    using pidfd_watch::arm;

    milliseconds grace_;
};

// The kernel limits how often it reports changes of a cgroup, and forgets a change that is to be reported when the cgroup
// is removed. A timer, which waits longer and longer, finds those.
class epoll_change_watch final : public epoll_watch {
public:
    explicit epoll_change_watch(epoll_set& set) noexcept : epoll_watch(set, EPOLLPRI) {}

    error_code arm(observer_ptr observer) override
    {
        start_timer(observer);
        return epoll_watch::arm(std::move(observer));
    }

    void start_timer(observer_ptr observer)
    {
        timer_ = notify_after(set_.executor(), pause_, std::move(observer));
        pause_ = std::min(2 * pause_, milliseconds(1000));
    }

    void disarm() noexcept override
    {
        epoll_watch::disarm();
        timer_.reset();
    }

private:
    milliseconds pause_{20};
    std::unique_ptr<inline_timer> timer_;
};

// Creates and starts a watch in the context's set. `arguments` are the further constructor arguments.
template <class Watch, class... Arguments>
watch_result
start_in_epoll(asio::any_io_executor const& executor, os::unique_fd& fd, observer_ptr observer, Arguments... arguments)
{
    return catch_reactor_error(executor, [&](asio::execution_context& context) -> watch_result {
        auto watch = std::make_unique<Watch>(asio::use_service<epoll_set>(context), arguments...);
        if (auto ec = watch->start(fd, std::move(observer)); ec.failed())
            return ec;
        return watch_result(std::move(watch));
    });
}

} // namespace

watch_result watch_pidfd(asio::any_io_executor const& executor, os::unique_fd& pidfd, observer_ptr observer)
{
    return start_in_epoll<child_watch>(executor, pidfd, std::move(observer));
}

error_code prepare_pidfd_watches(asio::any_io_executor const& executor)
{
    return catch_reactor_error(executor, [](asio::execution_context& context) {
        asio::use_service<epoll_set>(context);
        return error_code();
    });
}

// A system may refuse an epoll in the reactor's epoll, or have no descriptor for it. Children are then watched by
// SIGCHLD.
watch_result
watch_foreign(asio::any_io_executor const& executor, os::unique_fd& pidfd, milliseconds grace, observer_ptr observer)
{
    if (auto started = start_in_epoll<epoll_foreign_watch>(executor, pidfd, observer, grace))
        return started;
    return watch_foreign_by_reactor(executor, pidfd, grace, std::move(observer));
}

watch_result watch_changes(asio::any_io_executor const& executor, int fd, observer_ptr observer)
{
    auto duplicate = os::duplicate_above(fd, 2);
    if (!duplicate)
        return duplicate.error();
    if (auto started = start_in_epoll<epoll_change_watch>(executor, duplicate.value(), observer)) {
        static_cast<epoll_change_watch&>(*started.value()).start_timer(std::move(observer));
        return started;
    }
    return watch_changes_by_reactor(executor, std::move(duplicate).value(), std::move(observer));
}

watch_result watch_pipe(asio::any_io_executor const& executor, os::unique_fd read_end, observer_ptr observer)
{
    if (auto started = start_in_epoll<epoll_watch>(executor, read_end, observer, std::uint32_t(0)))
        return started;
    return watch_pipe_by_reactor(executor, std::move(read_end), std::move(observer));
}

} // namespace brood::detail
