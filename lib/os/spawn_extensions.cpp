// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/spawn_extensions.hpp"

#include "os/clone.hpp"
#include "os/process.hpp"

#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

namespace brood::os {
namespace {

template <class Function>
void look_up(Function*& function, char const* name) noexcept
{
    function = reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

spawn_extensions look_up() noexcept
{
    spawn_extensions extensions{};
    look_up(extensions.add_change_directory, "posix_spawn_file_actions_addchdir_np");
    if (!extensions.add_change_directory)
        look_up(extensions.add_change_directory, "posix_spawn_file_actions_addchdir"); // POSIX 2024
    look_up(extensions.add_close_from, "posix_spawn_file_actions_addclosefrom_np");
    look_up(extensions.pidfd_spawn, "pidfd_spawn");
    look_up(extensions.pidfd_getpid, "pidfd_getpid");
#ifdef POSIX_SPAWN_SETSID
    extensions.new_session = POSIX_SPAWN_SETSID;
#endif
#ifndef __APPLE__
    extensions.relative_after_directory = true; // macOS runs the program but reports ENOENT
#endif
    return extensions;
}

// pidfd_getpid(3) fails for a child that has been reaped.
bool kernel_reaps_children() noexcept
{
    struct sigaction current {};
    if (::sigaction(SIGCHLD, nullptr, &current) != 0)
        return false;
    bool const is_ignored = !(current.sa_flags & SA_SIGINFO) && current.sa_handler == SIG_IGN;
    return is_ignored || (current.sa_flags & SA_NOCLDWAIT) != 0;
}

} // namespace

spawn_extensions const& find_spawn_extensions() noexcept
{
    static spawn_extensions const extensions = look_up();
    return extensions;
}

bool pidfd_spawn_available() noexcept
{
    auto const& libc = find_spawn_extensions();
    return libc.pidfd_spawn && libc.pidfd_getpid && pidfd_available() && !kernel_reaps_children() &&
           ::access("/proc/self/fdinfo", X_OK) == 0;
}

bool posix_spawn_reports_failure() noexcept
{
#if defined(__BIONIC__)
    return false;
#elif defined(__GLIBC__)
    return __GLIBC_PREREQ(2, 24) && !vfork_is_fork();
#else
    return !vfork_is_fork();
#endif
}

bool posix_spawn_refused_with(int error) noexcept
{
    if (error != EPERM && error != EINVAL && error != ENOSYS)
        return false;
    pid_t pid = -1;
    char empty[] = "";
    char* const argv[] = {empty, nullptr};
    // The empty path causes ENOENT, unless posix_spawn fails earlier.
    return ::posix_spawn(&pid, empty, nullptr, nullptr, argv, argv + 1) == error;
}

int spawn(
    pid_t* pid, char const* path, posix_spawn_file_actions_t const* actions, posix_spawnattr_t const* attributes,
    char* const* argv, char* const* envp) noexcept
{
    return ::posix_spawn(pid, path, actions, attributes, argv, envp);
}

} // namespace brood::os
