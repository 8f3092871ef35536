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

/// Lets an epoll tell once of a descriptor: the first time, or again.
error_code add_to_epoll(int epoll, int fd, std::uint32_t events, void* data) noexcept;
error_code arm_in_epoll(int epoll, int fd, std::uint32_t events, void* data) noexcept;

void remove_from_epoll(int epoll, int fd) noexcept;

/// What is ready by now, as far as there is room.
std::span<epoll_event> take_ready(int epoll, std::span<epoll_event> room) noexcept;

} // namespace brood::os

#endif
