// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_EXEC_SEARCH_HPP
#define BROOD_LIB_SPAWN_EXEC_SEARCH_HPP

#include <cerrno>

namespace brood::detail {

/// Whether a search along PATH continues after this error of a candidate, as execvp(3) does.
constexpr bool continues_search(int error) noexcept
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

/// The error of a search without success: the first one, but EACCES takes precedence over the others.
constexpr int pick_exec_error(int before, int error) noexcept
{
    return before == 0 || error == EACCES ? error : before;
}

} // namespace brood::detail

#endif
