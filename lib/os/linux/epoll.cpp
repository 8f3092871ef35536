// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/linux/epoll.hpp"

#include "os/process.hpp"

namespace brood::os {
namespace {

error_code control(int epoll, int what, int fd, std::uint32_t events, void* data) noexcept
{
    epoll_event event{};
    event.events = events | EPOLLONESHOT;
    event.data.ptr = data;
    return ::epoll_ctl(epoll, what, fd, &event) < 0 ? last_error() : error_code();
}

} // namespace

result<unique_fd> make_epoll() noexcept
{
    unique_fd made(::epoll_create1(EPOLL_CLOEXEC));
    if (!made)
        return last_error();
    return made;
}

error_code add_to_epoll(int epoll, int fd, std::uint32_t events, void* data) noexcept
{
    return control(epoll, EPOLL_CTL_ADD, fd, events, data);
}

error_code arm_in_epoll(int epoll, int fd, std::uint32_t events, void* data) noexcept
{
    return control(epoll, EPOLL_CTL_MOD, fd, events, data);
}

void remove_from_epoll(int epoll, int fd) noexcept { ::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr); }

std::span<epoll_event> take_ready(int epoll, std::span<epoll_event> room) noexcept
{
    int const count = ::epoll_wait(epoll, room.data(), static_cast<int>(room.size()), 0);
    return room.first(count > 0 ? static_cast<std::size_t>(count) : 0);
}

} // namespace brood::os
