// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "reap/loop_executor.hpp"
#include "reap/with_reactor.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>

namespace brood::reap {
namespace {

class pipe_watch final : public watch {
public:
    explicit pipe_watch(asio::execution_context& context) : reading_(loop_executor(context)) {}

    error_code assign(os::unique_fd& reading)
    {
        error_code ec;
        reading_.assign(reading.get(), ec);
        if (!ec.failed())
            (void)reading.release();
        return ec;
    }

    error_code arm(observer_ptr told) override
    {
        reading_.async_wait(asio::posix::descriptor_base::wait_read, [told = std::move(told)](error_code ec) {
            if (!ec.failed())
                told->hinted(calling::here);
        });
        return {};
    }

    void disarm() noexcept override
    {
        error_code ignored;
        reading_.cancel(ignored);
    }

    os::unique_fd release() noexcept override { return os::unique_fd(reading_.is_open() ? reading_.release() : -1); }

private:
    asio::posix::basic_stream_descriptor<loop_executor> reading_;
};

} // namespace

watch_result watch_pipe(asio::any_io_executor const& executor, os::unique_fd reading, observer_ptr told)
{
    return with_reactor(executor, [&](asio::execution_context& context) -> watch_result {
        auto made = std::make_unique<pipe_watch>(context);
        if (auto ec = made->assign(reading); ec.failed())
            return ec;
        if (auto ec = made->arm(std::move(told)); ec.failed())
            return ec;
        return watch_result(std::move(made));
    });
}

} // namespace brood::reap
