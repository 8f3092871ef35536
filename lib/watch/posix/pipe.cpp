// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "watch/catch_reactor_error.hpp"
#include "watch/inline_executor.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>

namespace brood::detail {
namespace {

class pipe_watch final : public watch {
public:
    explicit pipe_watch(asio::execution_context& context) : read_end_(inline_executor(context)) {}

    error_code assign(os::unique_fd& read_end)
    {
        error_code ec;
        read_end_.assign(read_end.get(), ec);
        if (!ec.failed())
            (void)read_end.release();
        return ec;
    }

    error_code arm(observer_ptr observer) override
    {
        read_end_.async_wait(asio::posix::descriptor_base::wait_read, [observer = std::move(observer)](error_code ec) {
            if (!ec.failed())
                observer->on_ready(completion_mode::dispatch);
        });
        return {};
    }

    void disarm() noexcept override
    {
        error_code ignored;
        read_end_.cancel(ignored);
    }

    os::unique_fd release() noexcept override { return os::unique_fd(read_end_.is_open() ? read_end_.release() : -1); }

private:
    asio::posix::basic_stream_descriptor<inline_executor> read_end_;
};

} // namespace

watch_result watch_pipe(asio::any_io_executor const& executor, os::unique_fd read_end, observer_ptr observer)
{
    return catch_reactor_error(executor, [&](asio::execution_context& context) -> watch_result {
        auto watch = std::make_unique<pipe_watch>(context);
        if (auto ec = watch->assign(read_end); ec.failed())
            return ec;
        if (auto ec = watch->arm(std::move(observer)); ec.failed())
            return ec;
        return watch_result(std::move(watch));
    });
}

} // namespace brood::detail
