// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

namespace brood::os {

// TIOCGPTPEER exists since Linux 4.13. It does not depend on the file system at /dev/pts.
result<unique_fd> open_child_end(int parent_end) noexcept
{
    int const fd = ::ioctl(parent_end, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return open_child_end_by_name(parent_end);
    return unique_fd(fd);
}

} // namespace brood::os
