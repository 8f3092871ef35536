// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "epoll_wait_time.hpp"

#include <csignal>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

bench::clock::duration total{};

} // namespace

namespace bench {

clock::duration epoll_wait_time() { return total; }

} // namespace bench

extern "C" int epoll_pwait(int epoll, epoll_event* events, int max_events, int timeout, sigset_t const* mask)
{
    auto const start = bench::clock::now();
    long const count = ::syscall(SYS_epoll_pwait, epoll, events, max_events, timeout, mask, _NSIG / 8);
    if (timeout != 0) // a call with timeout 0 polls and never waits
        total += bench::clock::now() - start;
    return static_cast<int>(count);
}

extern "C" int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout)
{
    return ::epoll_pwait(epoll, events, max_events, timeout, nullptr);
}
