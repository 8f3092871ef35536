// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "reap/linux/ready_set.hpp"
#include "reap/with_reactor.hpp"

#include <boost/asio/basic_waitable_timer.hpp>

#include <algorithm>
#include <utility>

#include <sys/epoll.h>

namespace brood::reap {
namespace {

using std::chrono::milliseconds;

class pidfd_watch : public ready_watch {
public:
    explicit pidfd_watch(ready_set& set) noexcept : ready_watch(set, EPOLLIN) {}

    void disarm() noexcept override
    {
        ready_watch::disarm();
        timer_.reset();
    }

protected:
    void hint_after(milliseconds time, observer_ptr told)
    {
        timer_ = std::make_unique<timer>(set_.executor(), time);
        timer_->async_wait([told = std::move(told)](error_code ec) {
            if (!ec.failed())
                told->hinted(calling::here);
        });
    }

private:
    using clock = std::chrono::steady_clock;
    using timer = asio::basic_waitable_timer<clock, asio::wait_traits<clock>, loop_executor>;

    std::unique_ptr<timer> timer_; // few need one
};

class child_watch final : public pidfd_watch {
public:
    using pidfd_watch::pidfd_watch;

    // A child that somebody traces is ready before it can be reaped, for as long as the tracer likes. So the hint
    // comes once after a pause and once through the reactor, by turns: neither a busy loop nor a poll for ever.
    error_code rearm(observer_ptr told) override
    {
        paused_ = !paused_;
        if (!paused_)
            return arm(std::move(told));
        hint_after(pause_, std::move(told));
        pause_ = std::min(2 * pause_, milliseconds(64));
        return {};
    }

private:
    milliseconds pause_{1};
    bool paused_ = false;
};

class foreign_watch final : public pidfd_watch {
public:
    foreign_watch(ready_set& set, milliseconds grace) noexcept : pidfd_watch(set), grace_(grace) {}

    // At the reap the pidfd hangs up, which it tells whatever it is asked for.
    error_code rearm(observer_ptr told) override
    {
        if (auto ec = arm(0, told); ec.failed())
            return ec;
        hint_after(grace_, std::move(told));
        return {};
    }

private:
    using pidfd_watch::arm;

    milliseconds grace_;
};

// A watch made of the context's set and of what else it takes.
template <class Watch, class... Rest>
watch_result start(asio::any_io_executor const& executor, os::unique_fd& fd, observer_ptr told, Rest... rest)
{
    return with_reactor(executor, [&](asio::execution_context& context) -> watch_result {
        auto made = std::make_unique<Watch>(asio::use_service<ready_set>(context), rest...);
        if (auto ec = made->start(fd, std::move(told)); ec.failed())
            return ec;
        return watch_result(std::move(made));
    });
}

} // namespace

watch_result watch_pidfd(asio::any_io_executor const& executor, os::unique_fd& pidfd, observer_ptr told)
{
    return start<child_watch>(executor, pidfd, std::move(told));
}

watch_result
watch_foreign(asio::any_io_executor const& executor, os::unique_fd& pidfd, milliseconds grace, observer_ptr told)
{
    return start<foreign_watch>(executor, pidfd, std::move(told), grace);
}

watch_result watch_pipe(asio::any_io_executor const& executor, os::unique_fd reading, observer_ptr told)
{
    return start<ready_watch>(executor, reading, std::move(told), std::uint32_t(0));
}

} // namespace brood::reap
