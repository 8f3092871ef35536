// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/environ.hpp"

#include <unistd.h>

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

std::string default_path()
{
    std::string path(::confstr(_CS_PATH, nullptr, 0), '\0');
    if (path.empty())
        return "/bin:/usr/bin";
    ::confstr(_CS_PATH, path.data(), path.size());
    path.pop_back(); // confstr(3) counts the terminator
    return path;
}

} // namespace brood::os
