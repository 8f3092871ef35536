// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_FORK_HPP
#define BROOD_LIB_OS_FORK_HPP

#include "os/unique_fd.hpp"

#include <cstdint>
#include <span>
#include <utility>

#include <sys/types.h>

namespace brood::os {

/// getpid(2), without a system call where possible. Async-signal-safe after the first call.
pid_t own_pid() noexcept;

/// fork(2): returns 0 in the child, its pid in the parent, or -errno. The child keeps the private descriptors in `kept`.
/**
 * With flags of os/namespaces.hpp, the child is in new namespaces, and the application's handlers of pthread_atfork(3) do
 * not run.
 */
pid_t fork_process(std::span<int const> kept, std::uint64_t namespaces = 0) noexcept;

/// Makes fork(3) on other threads wait during the lifetime of this object, which must be short.
class fork_block {
public:
    fork_block() noexcept;
    ~fork_block();
    fork_block(fork_block const&) = delete;
    fork_block& operator=(fork_block const&) = delete;
};

/// Owns a descriptor that fork(3) closes in a process that the application forks.
/**
 * It is the child's end of a pipe. Another process with a copy of it would delay the end of file, or keep the reader
 * from seeing that there is no writer.
 */
class private_fd {
public:
    private_fd() = default;

    /// Requires that forks have been blocked since before the descriptor was opened. May throw `bad_alloc`.
    private_fd(unique_fd fd, fork_block const& block);

    private_fd(private_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)), owner_(other.owner_) {}
    private_fd& operator=(private_fd&& other) noexcept
    {
        private_fd before(std::move(*this));
        fd_ = std::exchange(other.fd_, -1);
        owner_ = other.owner_;
        return *this;
    }
    ~private_fd() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

    /// Closes the descriptor. Does nothing in a forked copy of the object: fork has closed it.
    void reset() noexcept;

private:
    int fd_ = -1;
    pid_t owner_ = 0;
};

} // namespace brood::os

#endif
