// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/linux/epoll.hpp"

#include "os/descriptors.hpp"
#include "os/process.hpp"

#include <atomic>

namespace brood::os {
namespace {

error_code control(int epoll, int operation, int fd, std::uint32_t events, void* data) noexcept
{
    epoll_event event{};
    event.events = events | EPOLLONESHOT;
    event.data.ptr = data;
    return ::epoll_ctl(epoll, operation, fd, &event) < 0 ? last_error() : error_code();
}

} // namespace

result<unique_fd> make_epoll() noexcept
{
    unique_fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll)
        return last_error();
    return above_standard(std::move(epoll));
}

error_code nesting_error(int epoll) noexcept
{
    static std::atomic<bool> supported = false;
    if (supported.load(std::memory_order_relaxed))
        return {};
    auto const outer = make_epoll();
    if (!outer)
        return outer.error();
    auto const error = add_to_epoll(outer.value().get(), epoll, EPOLLIN, nullptr);
    supported.store(!error.failed(), std::memory_order_relaxed);
    return error;
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

std::span<epoll_event> take_ready(int epoll, std::span<epoll_event> buffer) noexcept
{
    int const count = ::epoll_wait(epoll, buffer.data(), static_cast<int>(buffer.size()), 0);
    return buffer.first(count > 0 ? static_cast<std::size_t>(count) : 0);
}

} // namespace brood::os
