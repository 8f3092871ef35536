// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_SEARCH_HPP
#define BROOD_LIB_LAUNCH_SEARCH_HPP

#include <cerrno>

namespace brood::launch {

/// Which failures to execute a candidate a search along PATH goes on after, as execvp(3) does.
constexpr bool is_passed_over(int error) noexcept
{
    switch (error) {
    case EACCES:
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case ESTALE:
    case ENODEV:
    case ETIMEDOUT: return true;
    default: return false;
    }
}

/// What a search tells that found nothing: its first failure, but a denied candidate says more than a missing one.
constexpr int telling(int before, int error) noexcept { return before == 0 || error == EACCES ? error : before; }

} // namespace brood::launch

#endif
