// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "watch/watch.hpp"

#include <cerrno>

namespace brood::detail {
namespace {

error_code unsupported() { return {ENOTSUP, boost::system::system_category()}; }

} // namespace

watch_result watch_pidfd(asio::any_io_executor const&, os::unique_fd&, observer_ptr) { return unsupported(); }

watch_result watch_foreign(asio::any_io_executor const&, os::unique_fd&, std::chrono::milliseconds, observer_ptr)
{
    return unsupported();
}

} // namespace brood::detail
