// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_PIPES_HPP
#define BROOD_LIB_OS_PIPES_HPP

#include <brood/result.hpp>

#include <cstddef>

namespace brood::os {

/// Reads once; 0 is end of file.
result<std::size_t> read_some(int fd, void* data, std::size_t size) noexcept;

/// Writes once. EPIPE comes without a SIGPIPE, whatever this process does with that signal.
result<std::size_t> write_some(int fd, void const* data, std::size_t size) noexcept;

/// How many bytes can be read at once.
std::size_t readable_bytes(int fd) noexcept;

/// Asks for a pipe of that many bytes. A wish: the system may refuse.
void enlarge_pipe(int fd, int size) noexcept;

} // namespace brood::os

#endif
