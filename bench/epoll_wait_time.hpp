// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_EPOLL_WAIT_TIME_HPP
#define BROOD_BENCH_EPOLL_WAIT_TIME_HPP

#include "measure.hpp"

namespace bench {

/// The total time that this process has waited in epoll_wait(2) and epoll_pwait(2).
/**
 * A program that links this file uses its own epoll_wait and epoll_pwait, which measure the time. The libraries in the
 * program use them, too.
 */
clock::duration epoll_wait_time();

} // namespace bench

#endif
