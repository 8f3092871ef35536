// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_TERMINAL_HPP
#define BROOD_LIB_OS_TERMINAL_HPP

#include "os/descriptors.hpp"

#include <brood/terminal_size.hpp>

namespace brood::os {

/// Opens a pseudo-terminal. `first` is the parent's end, which is non-blocking; `second` is the child's end.
result<fd_pair> open_terminal(terminal_size size) noexcept;

/// Opens the child's end that belongs to a parent's end: with one call if the platform supports it, else by its name.
result<unique_fd> open_child_end(int parent_end) noexcept;
result<unique_fd> open_child_end_by_name(int parent_end) noexcept;

error_code set_terminal_size(int fd, terminal_size size) noexcept;

} // namespace brood::os

#endif
