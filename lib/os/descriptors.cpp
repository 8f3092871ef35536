// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"

#include "os/process.hpp"

#include <cerrno>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>

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

result<fd_pair> make_pipe() noexcept { return pipe_pair(); }
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

result<unique_fd> duplicate_above(int fd, int floor) noexcept
{
    int const duplicate = floor == INT_MAX ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, floor + 1);
    if (duplicate < 0 && (floor == INT_MAX || errno == EINVAL)) // no number above `floor` is within the limit
        return error_code(EMFILE, boost::system::system_category());
    return to_unique_fd(duplicate);
}

bool is_open(int fd) noexcept { return ::fcntl(fd, F_GETFD) >= 0; }

error_code set_non_blocking(int fd) noexcept
{
    int const flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return last_error();
    return {};
}

result<std::size_t> read_report(int fd, void* data, std::size_t size) noexcept
{
    ssize_t count;
    do
        count = ::read(fd, data, size);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return last_error();
    return static_cast<std::size_t>(count);
}

unique_fd receive_pidfd(int socket) noexcept
{
#ifdef __linux__
    int pidfd = -1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof pidfd)] = {};
    msghdr message{};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t count;
    do
        count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return {};
    cmsghdr const* header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof pidfd))
        std::memcpy(&pidfd, CMSG_DATA(header), sizeof pidfd);
    return unique_fd(pidfd);
#else
    (void)socket; // pidfds exist only on Linux
    return {};
#endif
}

} // namespace brood::os
