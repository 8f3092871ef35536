// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/fork.hpp"

#include <cerrno>

#include <unistd.h>

namespace brood::os {

pid_t fork_process() noexcept
{
    pid_t const pid = ::fork();
    return pid < 0 ? -errno : pid;
}

} // namespace brood::os
