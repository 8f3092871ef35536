// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/image.hpp"

#include "os/process.hpp"

#include <cerrno>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace brood::os {
namespace {

constexpr unsigned executable = 0x10; // MFD_EXEC: since Linux 6.3, needed if sysctl vm.memfd_noexec is set

int make_memory_file() noexcept
{
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int const fd = ::memfd_create("brood-relay", flags | executable);
    return fd < 0 && errno == EINVAL ? ::memfd_create("brood-relay", flags) : fd;
}

bool write_at(int fd, long offset, void const* data, std::size_t size) noexcept
{
    return ::pwrite(fd, data, size, offset) == static_cast<ssize_t>(size);
}

} // namespace

result<unique_fd> make_image(std::span<unsigned char const> program, long offset, std::span<char const> rest) noexcept
{
    unique_fd file(make_memory_file());
    if (!file)
        return last_error();
    if (!write_at(file.get(), 0, program.data(), program.size()) ||
        !write_at(file.get(), offset, rest.data(), rest.size()))
        return error_code(ENOMEM, boost::system::system_category()); // a short write to a memory file
    if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return last_error();
    return file;
}

bool leads_to_procfs(char const* path) noexcept
{
    char target[PATH_MAX];
    auto const length = ::readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = '\0';
    if (std::strncmp(target, "/proc/", 6) == 0)
        return true;
    std::strncpy(target, path, sizeof target - 1); // a longer path cannot be executed
    target[sizeof target - 1] = '\0';
    char* const slash = std::strrchr(target, '/');
    if (!slash)
        return false;
    slash[1] = '\0';
    struct statfs directory;
    constexpr auto procfs = 0x9fa0;
    return ::statfs(target, &directory) == 0 && directory.f_type == procfs;
}

} // namespace brood::os
