// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "watch/reactor_watch.hpp"

#include "watch/catch_reactor_error.hpp"
#include "watch/inline_executor.hpp"
#include "watch/notify_after.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

namespace brood::detail {
namespace {

class reactor_watch : public watch {
public:
    explicit reactor_watch(asio::execution_context& context) : descriptor_(inline_executor(context)) {}

    error_code assign(os::unique_fd& fd)
    {
        error_code error;
        descriptor_.assign(fd.get(), error);
        if (!error.failed())
            (void)fd.release();
        return error;
    }

    void disarm() noexcept override
    {
        error_code ignored;
        descriptor_.cancel(ignored);
    }

    os::unique_fd release() noexcept override
    {
        return os::unique_fd(descriptor_.is_open() ? descriptor_.release() : -1);
    }

protected:
    void notify_when(asio::posix::descriptor_base::wait_type event, observer_ptr observer)
    {
        descriptor_.async_wait(event, [observer = std::move(observer)](error_code error) {
            if (!error.failed())
                observer->on_ready(completion_mode::dispatch);
            else if (is_failure(error))
                observer->on_failure(error);
        });
    }

    asio::posix::basic_stream_descriptor<inline_executor> descriptor_;
};

// Reads, because a wait may end too early: the reactor may report an event of the descriptor that had the number
// before.
class pipe_watch final : public reactor_watch {
public:
    using reactor_watch::reactor_watch;

    error_code arm(observer_ptr observer) override
    {
        static char never_written;
        descriptor_.async_read_some(
            asio::buffer(&never_written, 1), [observer = std::move(observer)](error_code error, std::size_t) {
                if (error == asio::error::eof)
                    observer->on_ready(completion_mode::dispatch);
                else if (is_failure(error))
                    observer->on_failure(error);
            });
        return {};
    }
};

class change_watch final : public reactor_watch {
public:
    using reactor_watch::reactor_watch;

    error_code arm(observer_ptr observer) override
    {
        timer_ = notify_after(descriptor_.get_executor(), pause_, observer);
        pause_ = std::min(2 * pause_, std::chrono::milliseconds(1000));
        notify_when(asio::posix::descriptor_base::wait_error, std::move(observer));
        return {};
    }

    error_code rearm(observer_ptr observer) override
    {
        reactor_watch::disarm(); // the timer may have expired
        return arm(std::move(observer));
    }

    void disarm() noexcept override
    {
        reactor_watch::disarm();
        timer_.reset();
    }

private:
    std::chrono::milliseconds pause_{20}; // the kernel does not report every change
    std::unique_ptr<inline_timer> timer_;
};

class foreign_watch final : public reactor_watch {
public:
    foreign_watch(asio::execution_context& context, std::chrono::milliseconds grace)
        : reactor_watch(context), grace_(grace)
    {}

    error_code arm(observer_ptr observer) override
    {
        notify_when(asio::posix::descriptor_base::wait_read, std::move(observer));
        return {};
    }

    error_code rearm(observer_ptr observer) override
    {
        timer_ = notify_after(descriptor_.get_executor(), grace_, std::move(observer));
        return {};
    }

    void disarm() noexcept override
    {
        reactor_watch::disarm();
        timer_.reset();
    }

private:
    std::chrono::milliseconds const grace_;
    std::unique_ptr<inline_timer> timer_;
};

template <class Watch, class... Arguments>
watch_result
start(asio::any_io_executor const& executor, os::unique_fd& fd, observer_ptr observer, Arguments... arguments)
{
    return catch_reactor_error(executor, [&](asio::execution_context& context) -> watch_result {
        auto watch = std::make_unique<Watch>(context, arguments...);
        if (auto error = watch->assign(fd); error.failed())
            return error;
        if (auto error = watch->arm(std::move(observer)); error.failed())
            return error;
        return watch_result(std::move(watch));
    });
}

} // namespace

watch_result watch_pipe_by_reactor(asio::any_io_executor const& executor, os::unique_fd read_end, observer_ptr observer)
{
    return start<pipe_watch>(executor, read_end, std::move(observer));
}

watch_result watch_changes_by_reactor(asio::any_io_executor const& executor, os::unique_fd fd, observer_ptr observer)
{
    return start<change_watch>(executor, fd, std::move(observer));
}

watch_result watch_foreign_by_reactor(
    asio::any_io_executor const& executor, os::unique_fd& pidfd, std::chrono::milliseconds grace, observer_ptr observer)
{
    return start<foreign_watch>(executor, pidfd, std::move(observer), grace);
}

} // namespace brood::detail
