// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_FILES_HPP
#define BROOD_LIB_OS_FILES_HPP

namespace brood::os {

/// ENOENT or ENOTDIR if no file exists at `path`, else 0. 0 if the path cannot be checked.
int missing_error(char const* path) noexcept;

/// Whether `path` is a FIFO. Opening it may wait for another process.
bool is_fifo(char const* path) noexcept;

/// The errno with which execve(2) would fail because of the file's type or permissions, or 0.
int exec_error(char const* path) noexcept;

/// The errno with which chdir(2) would fail, or 0.
int chdir_error(char const* directory) noexcept;

} // namespace brood::os

#endif
