// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_WAITING_HPP
#define BROOD_BENCH_WAITING_HPP

#include "measure.hpp"

namespace bench {

/// How long this process has waited in an epoll until now.
/**
 * Whoever links this has epoll_wait and epoll_pwait replaced, for the libraries it uses too, by ones that take the time.
 */
clock::duration waited();

} // namespace bench

#endif
