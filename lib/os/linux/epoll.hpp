// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_LINUX_EPOLL_HPP
#define BROOD_LIB_OS_LINUX_EPOLL_HPP

#include "os/unique_fd.hpp"

#include <brood/result.hpp>

#include <cstdint>
#include <span>

#include <sys/epoll.h>

namespace brood::os {

result<unique_fd> make_epoll() noexcept;

/// The error of adding this epoll to another one, which a system may refuse. Asio does not report EPERM for that.
error_code nesting_error(int epoll) noexcept;

/// Registers a descriptor for one notification (EPOLLONESHOT). `arm_in_epoll` enables the next one.
error_code add_to_epoll(int epoll, int fd, std::uint32_t events, void* data) noexcept;
error_code arm_in_epoll(int epoll, int fd, std::uint32_t events, void* data) noexcept;

void remove_from_epoll(int epoll, int fd) noexcept;

/// Reads the events that are ready into `buffer`, without blocking.
std::span<epoll_event> take_ready(int epoll, std::span<epoll_event> buffer) noexcept;

} // namespace brood::os

#endif
