// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "pidfd_loop.hpp"

#include "../check.hpp"

#include <algorithm>

#include <sys/wait.h>
#include <unistd.h>

namespace bench {
namespace {

constexpr auto p_pidfd = static_cast<idtype_t>(3); // P_PIDFD, which older headers lack
constexpr int max_events = 128;

} // namespace

bool reap_child(int pidfd)
{
    siginfo_t info{};
    check(::waitid(p_pidfd, static_cast<id_t>(pidfd), &info, WEXITED), "waitid");
    return info.si_code == CLD_EXITED && info.si_status == 0;
}

pidfd_loop::pidfd_loop(int slots, listener& listener)
    : listener_(listener),
      epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      children_(static_cast<std::size_t>(slots)),
      events_(static_cast<std::size_t>(std::min(slots, max_events)))
{}

pidfd_loop::~pidfd_loop() { ::close(epoll_); }

void pidfd_loop::run_once()
{
    int const count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), -1);
    if (count < 0 && errno != EINTR)
        check(count, "epoll_wait");
    for (int i = 0; i < count; ++i)
        reap(events_[static_cast<std::size_t>(i)].data.fd);
}

void pidfd_loop::add(int slot, pid_t pid, int pidfd)
{
    children_[static_cast<std::size_t>(slot)] = {pid, pidfd};
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = slot;
    check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, pidfd, &event), "epoll_ctl");
    listener_.on_started(slot);
}

void pidfd_loop::reap(int slot)
{
    auto& child = children_[static_cast<std::size_t>(slot)];
    bool const success = reap_child(child.pidfd);
    // Another child may still have a copy of this pidfd, until its exec has closed it. The copy would keep the pidfd
    // registered in the epoll after the close below. A single child has no such sibling.
    if (children_.size() > 1)
        check(::epoll_ctl(epoll_, EPOLL_CTL_DEL, child.pidfd, nullptr), "epoll_ctl");
    ::close(child.pidfd);
    listener_.on_exited(slot, success);
}

} // namespace bench
