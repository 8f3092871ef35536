// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_SPAWN_EXTENSIONS_HPP
#define BROOD_LIB_OS_SPAWN_EXTENSIONS_HPP

#include <spawn.h>
#include <sys/types.h>

namespace brood::os {

/// The extensions of posix_spawn(3) in libc, looked up at run time. A missing function is null.
struct spawn_extensions {
    int (*add_change_directory)(posix_spawn_file_actions_t*, char const*);
    int (*add_close_from)(posix_spawn_file_actions_t*, int);
    /// Like posix_spawn, but returns a pidfd.
    int (*pidfd_spawn)(
        int*, char const*, posix_spawn_file_actions_t const*, posix_spawnattr_t const*, char* const*, char* const*);
    pid_t (*pidfd_getpid)(int);
    short new_session; ///< The flag for setsid(2), or 0.
    /// Whether a relative program path works after a change of directory, with a correct result.
    bool relative_after_directory;
};

spawn_extensions const& find_spawn_extensions() noexcept;

/// Whether pidfd_spawn(3) and pidfd_getpid(3) work. The latter needs /proc.
bool pidfd_spawn_available() noexcept;

/// Whether posix_spawn reports that exec has failed. It does not in an emulator and in some C libraries.
bool posix_spawn_reports_failure() noexcept;

/// Whether posix_spawn(3) always fails with this error, because the system forbids the clone call that libc uses.
bool posix_spawn_refused_with(int error) noexcept;

/// posix_spawn(3). Returns 0 or an errno.
int spawn(
    pid_t* pid, char const* path, posix_spawn_file_actions_t const* actions, posix_spawnattr_t const* attributes,
    char* const* argv, char* const* envp) noexcept;

} // namespace brood::os

#endif
