// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_CHECK_HPP
#define BROOD_BENCH_CHECK_HPP

#include <cerrno>
#include <system_error>

namespace bench {

/// Returns the result of a system call, or throws its errno.
template <class Result>
Result check(Result result, char const* call)
{
    if (result < 0)
        throw std::system_error(errno, std::generic_category(), call);
    return result;
}

} // namespace bench

#endif
