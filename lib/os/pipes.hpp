// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_PIPES_HPP
#define BROOD_LIB_OS_PIPES_HPP

#include <brood/result.hpp>

#include <cstddef>
#include <span>

#include <sys/uio.h>

namespace brood::os {

/// Reads once. Returns 0 at end of file.
result<std::size_t> read_some(int fd, void* data, std::size_t size) noexcept;

/// Writes once. A write that fails with EPIPE does not raise SIGPIPE.
result<std::size_t> write_some(int fd, std::span<iovec const> parts) noexcept;

/// The number of bytes that can be read without blocking.
std::size_t readable_bytes(int fd) noexcept;

/// Blocks until every copy of a pipe's write end has been closed. Nothing is written to the pipe.
void wait_for_hangup(int fd) noexcept;

/// Requests a pipe capacity in bytes. The kernel may refuse; this is not an error.
void enlarge_pipe(int fd, int size) noexcept;

} // namespace brood::os

#endif
