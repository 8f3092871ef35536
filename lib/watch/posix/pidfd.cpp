// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "watch/reactor_watch.hpp"

#include <cerrno>

namespace brood::detail {
namespace {

error_code unsupported() { return {ENOTSUP, boost::system::system_category()}; }

} // namespace

watch_result watch_pidfd(asio::any_io_executor const&, os::unique_fd&, observer_ptr) { return unsupported(); }

error_code prepare_pidfd_watches(asio::any_io_executor const&) { return unsupported(); }

watch_result watch_foreign(asio::any_io_executor const&, os::unique_fd&, std::chrono::milliseconds, observer_ptr)
{
    return unsupported();
}

watch_result watch_changes(asio::any_io_executor const&, int, observer_ptr) { return unsupported(); }

watch_result watch_pipe(asio::any_io_executor const& executor, os::unique_fd read_end, observer_ptr observer)
{
    return watch_pipe_by_reactor(executor, std::move(read_end), std::move(observer));
}

} // namespace brood::detail
