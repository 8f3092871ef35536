// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/fork.hpp"

#include <unistd.h>

namespace brood::os {
namespace {

pid_t try_fork() noexcept
{
    pid_t const pid = ::fork();
    return pid < 0 ? -errno : pid;
}

} // namespace

pid_t fork_process() noexcept
{
#ifdef __QNX__
    return retry_on_busy_descriptors(try_fork, pause_for);
#else
    return try_fork();
#endif
}

} // namespace brood::os
