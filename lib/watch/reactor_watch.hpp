// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_WATCH_REACTOR_WATCH_HPP
#define BROOD_LIB_WATCH_REACTOR_WATCH_HPP

#include "watch/watch.hpp"

/// Watches that register their descriptor with the reactor of the context itself, not with an epoll of the library.
namespace brood::detail {

/// As `watch_pipe`.
watch_result
watch_pipe_by_reactor(asio::any_io_executor const& executor, os::unique_fd read_end, observer_ptr observer);

/// As `watch_changes`. Takes the descriptor.
watch_result watch_changes_by_reactor(asio::any_io_executor const& executor, os::unique_fd fd, observer_ptr observer);

/// As `watch_foreign`, but always waits for the whole `grace`.
watch_result watch_foreign_by_reactor(
    asio::any_io_executor const& executor, os::unique_fd& pidfd, std::chrono::milliseconds grace,
    observer_ptr observer);

} // namespace brood::detail

#endif
