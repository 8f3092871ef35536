// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_SPAWN_EXTENSIONS_HPP
#define BROOD_LIB_OS_SPAWN_EXTENSIONS_HPP

#include <spawn.h>
#include <sys/types.h>

namespace brood::os {

/// What libc offers beyond POSIX's posix_spawn(3); null where it doesn't. Looked up once, at run time.
struct spawn_extensions {
    int (*add_change_directory)(posix_spawn_file_actions_t*, char const*);
    int (*add_close_from)(posix_spawn_file_actions_t*, int);
    /// Like posix_spawn, but gives a pidfd.
    int (*pidfd_spawn)(
        int*, char const*, posix_spawn_file_actions_t const*, posix_spawnattr_t const*, char* const*, char* const*);
    pid_t (*pidfd_getpid)(int);
    short new_session; ///< The flag for setsid(2), or 0.
    /// Whether a relative program is found, and told truly, after a change of directory.
    bool relative_after_directory;
};

spawn_extensions const& find_spawn_extensions() noexcept;

/// Whether pidfd_spawn(3) and pidfd_getpid(3) work. The latter needs /proc.
bool pidfd_spawn_available() noexcept;

/// Whether posix_spawn tells that the program could not be executed; not so in an emulator.
bool posix_spawn_tells_failure() noexcept;

/// Whether posix_spawn(3) fails with this error whatever is asked of it: where libc's way to clone is forbidden.
bool posix_spawn_refused_with(int error) noexcept;

/// posix_spawn(3): 0 or an errno. Repeated where the platform asks for it.
int spawn(
    pid_t* pid, char const* path, posix_spawn_file_actions_t const* actions, posix_spawnattr_t const* attributes,
    char* const* argv, char* const* envp) noexcept;

} // namespace brood::os

#endif
