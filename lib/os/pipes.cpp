// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/pipes.hpp"

#include "os/process.hpp"

#include <cerrno>

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace brood::os {
namespace {

result<std::size_t> transferred(ssize_t count) noexcept
{
    if (count < 0)
        return last_error();
    return static_cast<std::size_t>(count);
}

result<std::size_t> write_retrying(int fd, void const* data, std::size_t size) noexcept
{
    ssize_t put;
    do
        put = ::write(fd, data, size);
    while (put < 0 && errno == EINTR);
    return transferred(put);
}

#ifndef F_SETNOSIGPIPE
/// Takes back the SIGPIPE that a write(2) on this thread raises. One that was pending before stays.
class no_sigpipe {
public:
    no_sigpipe() noexcept
    {
        sigset_t pending;
        sigemptyset(&pending);
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        sigemptyset(&sigpipe_);
        sigaddset(&sigpipe_, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
    }

    ~no_sigpipe() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    no_sigpipe(no_sigpipe const&) = delete;
    no_sigpipe& operator=(no_sigpipe const&) = delete;

    void take_back() noexcept
    {
        timespec const at_once{};
        while (!was_pending_ && sigtimedwait(&sigpipe_, nullptr, &at_once) < 0 && errno == EINTR)
            continue;
    }

private:
    sigset_t sigpipe_, before_;
    bool was_pending_;
};
#endif

} // namespace

result<std::size_t> read_some(int fd, void* data, std::size_t size) noexcept
{
    ssize_t got;
    do
        got = ::read(fd, data, size);
    while (got < 0 && errno == EINTR);
    return transferred(got);
}

result<std::size_t> write_some(int fd, void const* data, std::size_t size) noexcept
{
#ifdef F_SETNOSIGPIPE
    ::fcntl(fd, F_SETNOSIGPIPE, 1);
    return write_retrying(fd, data, size);
#else
    no_sigpipe guard;
    auto put = write_retrying(fd, data, size);
    if (!put && put.error().value() == EPIPE)
        guard.take_back();
    return put;
#endif
}

std::size_t readable_bytes(int fd) noexcept
{
    int count = 0;
    return ::ioctl(fd, FIONREAD, &count) < 0 ? 0 : static_cast<std::size_t>(count);
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
