// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/cgroup.hpp"

#include "os/linux/abi.hpp"
#include "os/process.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/vfs.h>

namespace brood::os {
namespace {

bool is_cgroup(int directory) noexcept
{
    struct statfs status {};
    return ::fstatfs(directory, &status) == 0 && static_cast<unsigned long>(status.f_type) == abi::cgroup2_magic;
}

} // namespace

result<unique_fd> open_cgroup(char const* path) noexcept
{
    unique_fd directory(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory)
        return last_error();
    if (!is_cgroup(directory.get()))
        return error_code(EINVAL, boost::system::system_category());
    return directory;
}

result<void> kill_cgroup(int directory) noexcept
{
    unique_fd const file(::openat(directory, "cgroup.kill", O_WRONLY | O_CLOEXEC));
    bool const sent = file && ::write(file.get(), "1", 1) == 1;
    // A cgroup that has been removed was empty. Before Linux 5.14 the file does not exist.
    if (!sent && errno != ENOENT && errno != ENODEV)
        return last_error();
    return boost::outcome_v2::success();
}

} // namespace brood::os
