// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/pipe_end.hpp"

#include "os/descriptors.hpp"

#include <brood/stdio.hpp>

#include <cerrno>

namespace brood::detail {

result<os::unique_fd> pipe_end::duplicate(int floor) const
{
    std::lock_guard lock(mutex_);
    if (!fd_)
        return error_code(EBADF, boost::system::system_category());
    return os::duplicate_above(fd_.get(), floor);
}

void pipe_end::close() noexcept
{
    std::lock_guard lock(mutex_);
    fd_.reset();
}

// O_NONBLOCK belongs to the end of the pipe, which the parent has given away.
std::shared_ptr<pipe_end> own_pipe_end(int fd)
{
    os::unique_fd owned(fd);
    if (owned)
        os::set_blocking(fd);
    return std::make_shared<pipe_end>(std::move(owned));
}

} // namespace brood::detail
