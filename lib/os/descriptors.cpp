// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"

#include "os/process.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace brood::os {
namespace {

#ifdef __APPLE__
// macOS has no atomic close-on-exec here: a child that another thread forks in between inherits the descriptors.
result<fd_pair> close_on_exec(int result, int const (&fds)[2]) noexcept
{
    if (result < 0)
        return last_error();
    for (int fd : fds)
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd_pair{unique_fd(fds[0]), unique_fd(fds[1])};
}

result<fd_pair> socket_pair(int type) noexcept
{
    int fds[2];
    return close_on_exec(::socketpair(AF_UNIX, type, 0, fds), fds);
}

result<fd_pair> pipe_pair() noexcept
{
    int fds[2];
    return close_on_exec(::pipe(fds), fds);
}
#else
result<fd_pair> to_pair(int result, int const (&fds)[2]) noexcept
{
    if (result < 0)
        return last_error();
    return fd_pair{unique_fd(fds[0]), unique_fd(fds[1])};
}

result<fd_pair> socket_pair(int type) noexcept
{
    int fds[2];
    return to_pair(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), fds);
}

result<fd_pair> pipe_pair() noexcept
{
    int fds[2];
    return to_pair(::pipe2(fds, O_CLOEXEC), fds);
}
#endif

result<unique_fd> to_unique_fd(int fd) noexcept
{
    if (fd < 0)
        return last_error();
    return unique_fd(fd);
}

result<unique_fd> open_retrying(char const* path, int flags) noexcept
{
    int fd;
    do
        fd = ::open(path, flags | O_CLOEXEC | O_NOCTTY, 0666);
    while (fd < 0 && errno == EINTR);
    return to_unique_fd(fd);
}

} // namespace

result<unique_fd> above_standard(unique_fd fd) noexcept
{
    if (fd.get() > 2)
        return fd;
    return duplicate_above(fd.get(), 2);
}

result<fd_pair> make_pipe() noexcept
{
    auto pipe = pipe_pair();
    if (!pipe)
        return pipe.error();
    auto first = above_standard(std::move(pipe.value().first));
    auto second = above_standard(std::move(pipe.value().second));
    if (!first || !second)
        return first ? second.error() : first.error();
    return fd_pair{std::move(first).value(), std::move(second).value()};
}

result<fd_pair> make_stream_pair() noexcept { return socket_pair(SOCK_STREAM); }

result<fd_pair> make_report_channel() noexcept
{
#ifdef __linux__
    return socket_pair(SOCK_SEQPACKET);
#else
    return pipe_pair();
#endif
}

result<unique_fd> open_file(char const* path, open_mode mode) noexcept
{
    switch (mode) {
    case open_mode::read: return open_retrying(path, O_RDONLY);
    case open_mode::write: return open_retrying(path, O_WRONLY | O_CREAT | O_TRUNC);
    case open_mode::append: return open_retrying(path, O_WRONLY | O_CREAT | O_APPEND);
    }
    return error_code(EINVAL, boost::system::system_category());
}

result<unique_fd> open_null(int child_fd) noexcept
{
    return open_retrying("/dev/null", child_fd == 0 ? O_RDONLY : child_fd <= 2 ? O_WRONLY : O_RDWR);
}

void wait_until_readable(int fd, std::chrono::milliseconds time) noexcept
{
    pollfd entry{fd, POLLIN, 0};
    int const timeout = static_cast<int>(std::min<std::chrono::milliseconds::rep>(time.count(), INT_MAX));
    if (::poll(&entry, 1, timeout) < 0 && errno != EINTR)
        std::this_thread::sleep_for(std::min(time, std::chrono::milliseconds(20))); // the caller would try at once
}

bool is_hung_up(int read_end) noexcept
{
    pollfd entry{read_end, 0, 0};
    return ::poll(&entry, 1, 0) > 0;
}

error_code wait_until_writable(int fd) noexcept
{
    pollfd entry{fd, POLLOUT, 0};
    int ready;
    do
        ready = ::poll(&entry, 1, -1);
    while (ready < 0 && errno == EINTR);
    return ready < 0 ? last_error() : error_code();
}

result<unique_fd> duplicate_above(int fd, int floor) noexcept
{
    int const duplicate = floor == INT_MAX ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, floor + 1);
    if (duplicate < 0 && (floor == INT_MAX || errno == EINVAL)) // no number above `floor` is within the limit
        return error_code(EMFILE, boost::system::system_category());
    return to_unique_fd(duplicate);
}

bool is_valid_target(int fd) noexcept
{
    long const limit = ::sysconf(_SC_OPEN_MAX);
    return limit < 0 || fd < limit;
}

bool is_open(int fd) noexcept { return ::fcntl(fd, F_GETFD) >= 0; }

bool is_close_on_exec(int fd) noexcept { return ::fcntl(fd, F_GETFD) == FD_CLOEXEC; }

error_code set_non_blocking(int fd) noexcept
{
    int const flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return last_error();
    return {};
}

void set_blocking(int fd) noexcept
{
    if (int const flags = ::fcntl(fd, F_GETFL); flags >= 0)
        ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

bool is_non_blocking(int fd) noexcept
{
    int const flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

void shut_down(int socket) noexcept { ::shutdown(socket, SHUT_WR); }

unique_fd reopen_pipe(int fd) noexcept
{
    struct stat status;
    if (::fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode))
        return {};
    char path[32];
    std::snprintf(path, sizeof path, "/dev/fd/%d", fd);
    // Without O_NONBLOCK, opening one end would wait for the other one.
    unique_fd opened(::open(path, (::fcntl(fd, F_GETFL) & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC));
    struct stat same;
    bool const is_copy = opened && ::fstat(opened.get(), &same) == 0 && same.st_ino == status.st_ino;
    return is_copy && ::fcntl(opened.get(), F_SETFL, 0) == 0 ? std::move(opened) : unique_fd();
}

#ifdef __linux__
namespace {

ssize_t receive(int socket, void* data, std::size_t size, unique_fd& passed) noexcept
{
    int fd = -1;
    iovec content{data, size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t count;
    do
        count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    cmsghdr const* header = count < 0 ? nullptr : CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof fd)) {
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        passed.reset(fd);
    }
    return count;
}

} // namespace
#else
namespace {

ssize_t receive(int, void*, std::size_t, unique_fd&) noexcept { return -1; } // the channel is a pipe

} // namespace
#endif

// If recvmsg(2) is refused, read(2) receives the message without the descriptor.
result<std::size_t> read_report(int fd, void* data, std::size_t size, unique_fd& passed) noexcept
{
    ssize_t count = receive(fd, data, size, passed);
    while (count < 0) {
        count = ::read(fd, data, size);
        if (count < 0 && errno != EINTR)
            return last_error();
    }
    return static_cast<std::size_t>(count);
}

} // namespace brood::os
