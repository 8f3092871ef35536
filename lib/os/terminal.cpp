// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/terminal.hpp"

#include "os/process.hpp"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <sys/ioctl.h>

namespace brood::os {

result<fd_pair> open_terminal(terminal_size size) noexcept
{
    unique_fd parent_end(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    int const fd = parent_end.get();
    if (fd < 0 || ::grantpt(fd) < 0 || ::unlockpt(fd) < 0)
        return last_error();
    auto child_end = open_child_end(fd);
    if (!child_end)
        return child_end.error();
    if (auto ec = set_terminal_size(fd, size); ec.failed())
        return ec;
    if (auto ec = set_non_blocking(fd); ec.failed())
        return ec;
    return fd_pair{std::move(parent_end), std::move(child_end).value()};
}

result<unique_fd> open_child_end_by_name(int parent_end) noexcept
{
    char name[128];
    if (int const error = ::ptsname_r(parent_end, name, sizeof name); error != 0)
        return error < 0 ? last_error() : error_code(error, boost::system::system_category());
    int fd;
    do
        fd = ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return last_error();
    return unique_fd(fd);
}

error_code set_terminal_size(int fd, terminal_size size) noexcept
{
    winsize window{};
    window.ws_row = size.rows;
    window.ws_col = size.columns;
    if (::ioctl(fd, TIOCSWINSZ, &window) < 0)
        return last_error();
    return {};
}

} // namespace brood::os
