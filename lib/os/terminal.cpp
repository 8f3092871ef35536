// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/terminal.hpp"

#include "os/fork.hpp"
#include "os/process.hpp"
#include "os/signals.hpp"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace brood::os {
namespace {

result<unique_fd> open_device(char const* path) noexcept
{
    int fd;
    do
        fd = ::open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return last_error();
    return unique_fd(fd);
}

} // namespace

result<fd_pair> open_terminal(terminal_size size) noexcept
{
    unique_fd opened(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!opened)
        return last_error();
    auto parent_end = above_standard(std::move(opened));
    if (!parent_end)
        return parent_end.error();
    int const fd = parent_end.value().get();
    if (::grantpt(fd) < 0 || ::unlockpt(fd) < 0)
        return last_error();
    auto child_end = open_child_end(fd);
    if (!child_end)
        return child_end.error();
    if (auto ec = set_terminal_size(fd, size); ec.failed())
        return ec;
    if (auto ec = set_non_blocking(fd); ec.failed())
        return ec;
    return fd_pair{std::move(parent_end).value(), std::move(child_end).value()};
}

result<unique_fd> open_child_end_by_name(int parent_end) noexcept
{
    char name[128];
    if (int const error = ::ptsname_r(parent_end, name, sizeof name); error != 0)
        return error < 0 ? last_error() : error_code(error, boost::system::system_category());
    return open_device(name);
}

bool is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

error_code set_terminal_size(int fd, terminal_size size) noexcept
{
    winsize window{};
    window.ws_row = size.rows;
    window.ws_col = size.columns;
    if (::ioctl(fd, TIOCSWINSZ, &window) < 0)
        return last_error();
    return {};
}

result<std::shared_ptr<foreground>> foreground::open()
{
    auto terminal = open_device("/dev/tty");
    if (!terminal)
        return terminal.error();
    if (::tcgetpgrp(terminal.value().get()) != ::getpgrp())
        return error_code(EPERM, boost::system::system_category());
    return std::make_shared<foreground>(std::move(terminal).value());
}

foreground::foreground(unique_fd terminal) noexcept : terminal_(std::move(terminal)) {}

void foreground::lend() noexcept
{
    owner_ = own_pid();
    has_modes_ = ::tcgetattr(terminal(), &modes_) == 0;
}

// A process in the background may do this only with SIGTTOU blocked.
foreground::~foreground()
{
    if (owner_ == 0 || owner_ != own_pid())
        return;
    signal_block const blocked;
    (void)::tcsetpgrp(terminal(), ::getpgrp());
    if (has_modes_)
        (void)::tcsetattr(terminal(), TCSANOW, &modes_); // TCSADRAIN would wait for ever if the output is stopped
}

} // namespace brood::os
