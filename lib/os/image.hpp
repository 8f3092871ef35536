// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_IMAGE_HPP
#define BROOD_LIB_OS_IMAGE_HPP

#include "os/unique_fd.hpp"

#include <brood/result.hpp>

#include <span>

namespace brood::os {

/// Creates a sealed file in memory that contains `program`, and `rest` at `offset`. Without a program, the file need not
/// be executable.
result<unique_fd> make_image(std::span<unsigned char const> program, long offset, std::span<char const> rest) noexcept;

/// Opens the file at `path`, if it contains nothing but `program` and no other user but root can change it. The path is
/// relative to the folder of the shared object, or of the program, that contains this code.
result<unique_fd> open_installed_copy(std::span<unsigned char const> program, char const* path);

/// Whether a path, or a chain of symbolic links that begins with it, leads into procfs. Names there, such as `self`,
/// depend on the program and its descriptors.
bool leads_to_procfs(char const* path) noexcept;

} // namespace brood::os

#endif
