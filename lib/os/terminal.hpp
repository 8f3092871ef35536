// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_TERMINAL_HPP
#define BROOD_LIB_OS_TERMINAL_HPP

#include "os/descriptors.hpp"

#include <brood/terminal_size.hpp>

namespace brood::os {

/// A new pseudo-terminal: first is the parent's end, which does not block; second is the child's.
result<fd_pair> open_terminal(terminal_size size) noexcept;

/// The child's end to a parent's end: in one step where the platform can (linux/, posix/), else by its name.
result<unique_fd> open_child_end(int parent_end) noexcept;
result<unique_fd> open_child_end_by_name(int parent_end) noexcept;

error_code set_terminal_size(int fd, terminal_size size) noexcept;

} // namespace brood::os

#endif
