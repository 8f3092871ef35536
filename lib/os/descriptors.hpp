// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_DESCRIPTORS_HPP
#define BROOD_LIB_OS_DESCRIPTORS_HPP

#include "os/unique_fd.hpp"

#include <brood/result.hpp>
#include <brood/stdio.hpp>

namespace brood::os {

/// Two ends of something; both are close-on-exec.
struct fd_pair {
    unique_fd first, second;
};

result<fd_pair> make_pipe() noexcept; ///< first reads, second writes.
result<fd_pair> make_stream_pair() noexcept;

/// The way back from a forked child: messages kept apart where the platform can, else a pipe (second writes).
result<fd_pair> make_report_channel() noexcept;

result<unique_fd> open_file(char const* path, open_mode mode) noexcept;
/// /dev/null, for one direction as its descriptor's number suggests: 0 reads, 1 and 2 write, others do both.
result<unique_fd> open_null(int child_fd) noexcept;

/// A close-on-exec duplicate whose number is greater than `floor`.
result<unique_fd> duplicate_above(int fd, int floor) noexcept;

bool is_open(int fd) noexcept;
error_code set_non_blocking(int fd) noexcept;

/// Reads a whole message of a report channel; 0 is end of file.
result<std::size_t> read_report(int fd, void* data, std::size_t size) noexcept;
/// Takes the pidfd from the empty message that a forked child sends first. None: the child could not open one.
unique_fd receive_pidfd(int socket) noexcept;

} // namespace brood::os

#endif
