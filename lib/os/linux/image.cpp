// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/image.hpp"

#include "os/discarded_signal.hpp"
#include "os/process.hpp"

#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

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

// The limit of file sizes (RLIMIT_FSIZE) also applies to memory files.
int write_at(int fd, long offset, void const* data, std::size_t size) noexcept
{
    discarded_signal limit_exceeded(SIGXFSZ);
    auto const written = ::pwrite(fd, data, size, offset);
    if (written == static_cast<ssize_t>(size))
        return 0;
    if (written >= 0)
        return EFBIG;
    if (errno != EFBIG)
        return ENOMEM;
    limit_exceeded.discard();
    return EFBIG;
}

bool is_in_procfs(char const* path) noexcept
{
    if (std::strncmp(path, "/proc/", 6) == 0)
        return true;
    char folder[PATH_MAX] = {};
    std::string_view(path).copy(folder, sizeof folder - 1); // a longer path cannot be executed
    char* const slash = std::strrchr(folder, '/');
    if (!slash)
        return false;
    slash[1] = '\0';
    struct statfs system;
    constexpr auto procfs = 0x9fa0;
    return ::statfs(folder, &system) == 0 && system.f_type == procfs;
}

} // namespace

result<unique_fd> make_image(std::span<unsigned char const> program, long offset, std::span<char const> rest) noexcept
{
    unique_fd file(make_memory_file());
    if (!file)
        return last_error();
    int error = write_at(file.get(), 0, program.data(), program.size());
    if (error == 0)
        error = write_at(file.get(), offset, rest.data(), rest.size());
    if (error != 0)
        return error_code(error, boost::system::system_category());
    if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return last_error();
    return file;
}

bool leads_to_procfs(char const* path) noexcept
{
    if (is_in_procfs(path))
        return true;
    char target[PATH_MAX];
    target[std::string_view(path).copy(target, sizeof target - 1)] = '\0';
    constexpr int most_links = 40; // in one path, by path_resolution(7)
    for (int links = 0; links < most_links; ++links) {
        char link[PATH_MAX];
        auto const length = ::readlink(target, link, sizeof link - 1);
        if (length <= 0 || link[0] != '/')
            return false;
        link[length] = '\0';
        if (is_in_procfs(link))
            return true;
        std::memcpy(target, link, static_cast<std::size_t>(length) + 1);
    }
    return false;
}

} // namespace brood::os
