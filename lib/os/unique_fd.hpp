// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_UNIQUE_FD_HPP
#define BROOD_LIB_OS_UNIQUE_FD_HPP

#include <utility>

#include <unistd.h>

namespace brood::os {

/// Owns a descriptor, and closes it.
class unique_fd {
public:
    unique_fd() = default;
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd&& other) noexcept
    {
        reset(other.release());
        return *this;
    }
    ~unique_fd() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }

    void reset(int fd = -1) noexcept
    {
        if (fd_ >= 0)
            ::close(fd_); // not retried after EINTR: the supported systems have closed it
        fd_ = fd;
    }

private:
    int fd_ = -1;
};

} // namespace brood::os

#endif
