// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "reap/exit_watch.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>
#include <memory>

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

class pidfd_watch : public exit_watch {
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

    void disarm() noexcept override
    {
        error_code ignored;
        descriptor_.cancel(ignored);
        timer_.reset();
    }

    os::unique_fd release() noexcept override
    {
        return os::unique_fd(descriptor_.is_open() ? descriptor_.release() : -1);
    }

protected:
    void hint_after(milliseconds time, std::shared_ptr<exit_observer> observer)
    {
        timer_ = std::make_unique<asio::steady_timer>(descriptor_.get_executor(), time);
        timer_->async_wait(hint(std::move(observer)));
    }

    asio::posix::stream_descriptor descriptor_; // closing it also takes it out of the reactor

private:
    std::unique_ptr<asio::steady_timer> timer_; // few need one
};

class child_watch final : public pidfd_watch {
public:
    using pidfd_watch::pidfd_watch;

    // A child that somebody traces is ready before it can be reaped, for as long as the tracer likes. So the hint
    // comes once after a pause and once through the reactor, by turns: neither a busy loop nor a poll for ever.
    error_code rearm(std::shared_ptr<exit_observer> observer) override
    {
        paused_ = !paused_;
        if (!paused_)
            return arm(std::move(observer));
        hint_after(pause_, std::move(observer));
        pause_ = std::min(2 * pause_, milliseconds(64));
        return {};
    }

private:
    milliseconds pause_{1};
    bool paused_ = false;
};

class foreign_watch final : public pidfd_watch {
public:
    foreign_watch(asio::any_io_executor const& executor, milliseconds grace) : pidfd_watch(executor), grace_(grace) {}

    // At the reap the pidfd hangs up, which is all that a wait for errors is told.
    error_code rearm(std::shared_ptr<exit_observer> observer) override
    {
        descriptor_.async_wait(asio::posix::descriptor_base::wait_error, hint(observer));
        hint_after(grace_, std::move(observer));
        return {};
    }

private:
    milliseconds grace_;
};

watch_result with_pidfd(std::unique_ptr<pidfd_watch> made, os::unique_fd& pidfd)
{
    if (auto ec = made->assign(pidfd.get()); ec.failed())
        return ec;
    pidfd.release();
    return watch_result(std::move(made));
}

} // namespace

watch_result watch_pidfd(asio::any_io_executor const& executor, os::unique_fd& pidfd)
{
    return with_pidfd(std::make_unique<child_watch>(executor), pidfd);
}

watch_result watch_foreign(asio::any_io_executor const& executor, os::unique_fd& pidfd, milliseconds grace)
{
    try {
        return with_pidfd(std::make_unique<foreign_watch>(executor, grace), pidfd);
    } catch (boost::system::system_error const& failed) { // the context's reactor, made on first use
        return failed.code();
    }
}

} // namespace brood::reap
