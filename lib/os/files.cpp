// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/files.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace brood::os {

int missing_error(char const* path) noexcept
{
    return ::faccessat(AT_FDCWD, path, F_OK, 0) < 0 && (errno == ENOENT || errno == ENOTDIR) ? errno : 0;
}

bool is_fifo(char const* path) noexcept
{
    struct stat status;
    return ::stat(path, &status) == 0 && S_ISFIFO(status.st_mode);
}

int exec_error(char const* path) noexcept
{
    struct stat status;
    if (::stat(path, &status) < 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EACCES;
    return ::faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

int chdir_error(char const* directory) noexcept
{
    struct stat status;
    if (::stat(directory, &status) < 0)
        return errno;
    if (!S_ISDIR(status.st_mode))
        return ENOTDIR;
    return ::faccessat(AT_FDCWD, directory, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

} // namespace brood::os
