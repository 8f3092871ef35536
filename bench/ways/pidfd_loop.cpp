// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "pidfd_loop.hpp"

#include "../check.hpp"

#include <algorithm>

#include <sys/wait.h>
#include <unistd.h>

namespace bench {
namespace {

constexpr auto p_pidfd = static_cast<idtype_t>(3); // older headers lack it
constexpr int most_events = 128;

} // namespace

bool reap_child(int pidfd)
{
    siginfo_t info{};
    check(::waitid(p_pidfd, static_cast<id_t>(pidfd), &info, WEXITED), "waitid");
    return info.si_code == CLD_EXITED && info.si_status == 0;
}

pidfd_loop::pidfd_loop(int slots, audience& told)
    : told_(told),
      epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      children_(static_cast<std::size_t>(slots)),
      events_(static_cast<std::size_t>(std::min(slots, most_events)))
{}

pidfd_loop::~pidfd_loop() { ::close(epoll_); }

void pidfd_loop::turn()
{
    int const ready = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), -1);
    if (ready < 0 && errno != EINTR)
        check(ready, "epoll_wait");
    for (int i = 0; i < ready; ++i)
        reap(events_[static_cast<std::size_t>(i)].data.fd);
}

void pidfd_loop::await(int slot, pid_t pid, int pidfd)
{
    children_[static_cast<std::size_t>(slot)] = {pid, pidfd};
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = slot;
    check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, pidfd, &event), "epoll_ctl");
    told_.started(slot);
}

void pidfd_loop::reap(int slot)
{
    auto& one = children_[static_cast<std::size_t>(slot)];
    bool const success = reap_child(one.pidfd);
    // A child that has just left its parent's memory may not have closed its copies yet, which keep this one
    // in the epoll. A single child is no problem.
    if (children_.size() > 1)
        check(::epoll_ctl(epoll_, EPOLL_CTL_DEL, one.pidfd, nullptr), "epoll_ctl");
    ::close(one.pidfd);
    told_.ended(slot, success);
}

} // namespace bench
