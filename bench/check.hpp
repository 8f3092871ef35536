// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_CHECK_HPP
#define BROOD_BENCH_CHECK_HPP

#include <cerrno>
#include <system_error>

namespace bench {

/// What a system call gave, or its errno as an exception.
template <class Outcome>
Outcome check(Outcome outcome, char const* call)
{
    if (outcome < 0)
        throw std::system_error(errno, std::generic_category(), call);
    return outcome;
}

} // namespace bench

#endif
