// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "waiting.hpp"

#include <csignal>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

bench::clock::duration total{};

} // namespace

namespace bench {

clock::duration waited() { return total; }

} // namespace bench

extern "C" int epoll_pwait(int epoll, epoll_event* events, int most, int timeout, sigset_t const* mask)
{
    auto const start = bench::clock::now();
    long const ready = ::syscall(SYS_epoll_pwait, epoll, events, most, timeout, mask, _NSIG / 8);
    if (timeout != 0) // else it does not wait, but look
        total += bench::clock::now() - start;
    return static_cast<int>(ready);
}

extern "C" int epoll_wait(int epoll, epoll_event* events, int most, int timeout)
{
    return ::epoll_pwait(epoll, events, most, timeout, nullptr);
}
