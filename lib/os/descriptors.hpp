// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_DESCRIPTORS_HPP
#define BROOD_LIB_OS_DESCRIPTORS_HPP

#include "os/unique_fd.hpp"

#include <brood/result.hpp>
#include <brood/stdio.hpp>

#include <chrono>

namespace brood::os {

/// The two ends of a pipe, socket pair or pseudo-terminal. Both are close-on-exec.
struct fd_pair {
    unique_fd first, second;
};

/// `first` is the read end, `second` the write end. Their numbers are above 2, so that a standard stream that is closed
/// in this process stays closed.
result<fd_pair> make_pipe() noexcept;
result<fd_pair> make_stream_pair() noexcept;

/// The channel through which a forked child reports to its parent: a SOCK_SEQPACKET pair on Linux, else a pipe. The
/// child writes to `second`.
result<fd_pair> make_report_channel() noexcept;

result<unique_fd> open_file(char const* path, open_mode mode) noexcept;
/// Opens /dev/null for the access that `child_fd` needs: 0 is read, 1 and 2 are written, others are both.
result<unique_fd> open_null(int child_fd) noexcept;

/// Moves a descriptor of the library away from the numbers of the standard streams.
result<unique_fd> above_standard(unique_fd fd) noexcept;

/// Returns a close-on-exec duplicate whose number is greater than `floor`.
result<unique_fd> duplicate_above(int fd, int floor) noexcept;

/// Blocks until the descriptor is readable, the time has expired or a signal has been handled. -1 is never readable.
void wait_until_readable(int fd, std::chrono::milliseconds time) noexcept;

/// Whether every copy of the write end of a pipe has been closed. There may still be something to read.
bool is_hung_up(int read_end) noexcept;

/// Blocks until a write would not block, or fails.
error_code wait_until_writable(int fd) noexcept;

/// Whether dup2(2) accepts the number as a target: it is below the soft limit of the process.
bool is_valid_target(int fd) noexcept;

bool is_open(int fd) noexcept;
bool is_close_on_exec(int fd) noexcept; ///< Also requires that it is open.
error_code set_non_blocking(int fd) noexcept;
void set_blocking(int fd) noexcept;
bool is_non_blocking(int fd) noexcept;

/// The other end of a socket reads end of file from now on, even if another process has a copy of this end.
void shut_down(int socket) noexcept;

/// Opens the same end of a pipe once more, so that it blocks. Empty if it is not a pipe or cannot be opened.
unique_fd reopen_pipe(int fd) noexcept;

/// Reads one message from a report channel. Returns 0 at end of file. Replaces `passed` if the message has a
/// descriptor.
result<std::size_t> read_report(int fd, void* data, std::size_t size, unique_fd& passed) noexcept;

} // namespace brood::os

#endif
