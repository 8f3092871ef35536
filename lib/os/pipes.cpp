// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/pipes.hpp"

#include "os/process.hpp"

#include <atomic>
#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>
#ifdef __linux__
#    include <sys/syscall.h>
#endif
#ifndef F_SETNOSIGPIPE
#    include "os/discarded_signal.hpp"
#endif

namespace brood::os {
namespace {

result<std::size_t> transferred(ssize_t count) noexcept
{
    if (count < 0)
        return last_error();
    return static_cast<std::size_t>(count);
}

result<std::size_t> write_retrying(int fd, std::span<iovec const> parts) noexcept
{
    ssize_t count;
    do
        count = ::writev(fd, parts.data(), static_cast<int>(parts.size()));
    while (count < 0 && errno == EINTR);
    return transferred(count);
}

#ifndef F_SETNOSIGPIPE
#    ifdef SYS_pwritev2
// Since Linux 6.18. Returns EOPNOTSUPP before, and ENOSYS before Linux 4.6.
result<std::size_t> write_without_signal(int fd, std::span<iovec const> parts) noexcept
{
    constexpr int no_signal = 0x100;
    constexpr long here = -1; // as writev(2)
    static std::atomic<bool> unsupported = false;
    if (unsupported.load(std::memory_order_relaxed))
        return error_code(EOPNOTSUPP, boost::system::system_category());
    long count;
    do
        count = ::syscall(SYS_pwritev2, fd, parts.data(), parts.size(), here, here, no_signal);
    while (count < 0 && errno == EINTR);
    if (count < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EPERM || errno == EINVAL)) {
        unsupported = true; // or refused by a filter
        errno = EOPNOTSUPP;
    }
    return transferred(count);
}
#    else
result<std::size_t> write_without_signal(int, std::span<iovec const>) noexcept
{
    return error_code(EOPNOTSUPP, boost::system::system_category());
}
#    endif
#endif

} // namespace

result<std::size_t> read_some(int fd, void* data, std::size_t size) noexcept
{
    ssize_t count;
    do
        count = ::read(fd, data, size);
    while (count < 0 && errno == EINTR);
    return transferred(count);
}

result<std::size_t> write_some(int fd, std::span<iovec const> parts) noexcept
{
#ifdef F_SETNOSIGPIPE
    ::fcntl(fd, F_SETNOSIGPIPE, 1);
    return write_retrying(fd, parts);
#else
    if (auto written = write_without_signal(fd, parts); written || written.error().value() != EOPNOTSUPP)
        return written;
    discarded_signal guard(SIGPIPE);
    auto written = write_retrying(fd, parts);
    if (!written && written.error().value() == EPIPE)
        guard.discard();
    return written;
#endif
}

std::size_t readable_bytes(int fd) noexcept
{
    int count = 0;
    return ::ioctl(fd, FIONREAD, &count) < 0 ? 0 : static_cast<std::size_t>(count);
}

void wait_for_hangup(int fd) noexcept
{
    pollfd entry{fd, POLLIN, 0};
    char byte;
    while (::poll(&entry, 1, -1) < 0)
        if (errno != EINTR && ::read(fd, &byte, 1) == 0) // poll(2) fails if the limit of descriptors is zero
            return;
}

void enlarge_pipe(int fd, int size) noexcept
{
#ifdef F_SETPIPE_SZ
    ::fcntl(fd, F_SETPIPE_SZ, size);
#else
    (void)fd, (void)size;
#endif
}

} // namespace brood::os
