// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_FILES_HPP
#define BROOD_LIB_OS_FILES_HPP

namespace brood::os {

/// Whether no file exists at `path`. False if the path cannot be checked.
bool is_missing(char const* path) noexcept;

/// The errno with which chdir(2) would fail, or 0.
int entering_fails_with(char const* directory) noexcept;

} // namespace brood::os

#endif
