// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/environ.hpp"

#include <unistd.h>

#if __has_include(<paths.h>)
#    include <paths.h>
#endif
#ifdef __APPLE__
#    include <crt_externs.h>
#else
extern "C" char** environ;
#endif

namespace brood::os {

char const* const* environment_block() noexcept
{
#ifdef __APPLE__
    return *_NSGetEnviron();
#else
    return environ;
#endif
}

// As in execvp(3) of the C library: glibc uses confstr(3), the others _PATH_DEFPATH.
std::string default_path()
{
#if !defined(__GLIBC__) && defined(_PATH_DEFPATH)
    return _PATH_DEFPATH;
#else
    std::string path(::confstr(_CS_PATH, nullptr, 0), '\0');
    if (path.empty())
        return "/bin:/usr/bin";
    ::confstr(_CS_PATH, path.data(), path.size());
    path.pop_back(); // confstr(3) counts the terminator
    return path;
#endif
}

} // namespace brood::os
