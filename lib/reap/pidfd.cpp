// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "reap/exit_watch.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <optional>

namespace brood::reap {
namespace {

using std::chrono::milliseconds;

auto hint(std::shared_ptr<exit_observer> observer)
{
    return [observer = std::move(observer)](error_code ec) {
        if (!ec.failed())
            observer->exit_hinted();
    };
}

class pidfd_watch final : public exit_watch {
public:
    explicit pidfd_watch(asio::any_io_executor const& executor) : descriptor_(executor) {}

    error_code assign(int pidfd)
    {
        error_code ec;
        descriptor_.assign(pidfd, ec);
        return ec;
    }

    error_code arm(std::shared_ptr<exit_observer> observer) override
    {
        descriptor_.async_wait(asio::posix::descriptor_base::wait_read, hint(std::move(observer)));
        return {};
    }

    // A child that somebody traces is ready before it can be reaped, for as long as the tracer likes. So the hint
    // comes once after a pause and once through the reactor, by turns: neither a busy loop nor a poll for ever.
    error_code rearm(std::shared_ptr<exit_observer> observer) override
    {
        paused_ = !paused_;
        if (!paused_)
            return arm(std::move(observer));
        if (!timer_)
            timer_.emplace(descriptor_.get_executor());
        timer_->expires_after(pause_);
        pause_ = std::min(2 * pause_, milliseconds(64));
        timer_->async_wait(hint(std::move(observer)));
        return {};
    }

    void disarm() noexcept override
    {
        error_code ignored;
        descriptor_.cancel(ignored);
        if (timer_)
            timer_->cancel();
    }

    os::unique_fd release() noexcept override
    {
        return os::unique_fd(descriptor_.is_open() ? descriptor_.release() : -1);
    }

private:
    asio::posix::stream_descriptor descriptor_; // closing it also takes it out of the reactor
    std::optional<asio::steady_timer> timer_;
    milliseconds pause_{1};
    bool paused_ = false;
};

} // namespace

watch_result watch_pidfd(asio::any_io_executor const& executor, os::unique_fd& pidfd)
{
    auto made = std::make_unique<pidfd_watch>(executor);
    if (auto ec = made->assign(pidfd.get()); ec.failed())
        return ec;
    pidfd.release();
    return watch_result(std::move(made));
}

} // namespace brood::reap
