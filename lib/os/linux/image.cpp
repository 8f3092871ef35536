// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/image.hpp"

#include "os/discarded_signal.hpp"
#include "os/process.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace brood::os {
namespace {

// Since Linux 6.3. Sysctl vm.memfd_noexec may refuse MFD_EXEC, and demand one of the two.
constexpr unsigned not_executable = 0x8; // MFD_NOEXEC_SEAL
constexpr unsigned executable = 0x10;    // MFD_EXEC

int make_memory_file(unsigned kind) noexcept
{
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int const fd = ::memfd_create("brood-relay", flags | kind);
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

struct module_search {
    std::uintptr_t address;
    bool is_program = true; // the first module is the program
    bool found = false;
    std::string path{};
};

int search_module(dl_phdr_info* module, std::size_t, void* argument)
{
    auto& search = *static_cast<module_search*>(argument);
    for (int i = 0; i < module->dlpi_phnum; ++i) {
        auto const& segment = module->dlpi_phdr[i];
        auto const offset = search.address - (module->dlpi_addr + segment.p_vaddr);
        search.found = search.found || (segment.p_type == PT_LOAD && offset < segment.p_memsz);
    }
    if (search.found && !search.is_program)
        search.path = module->dlpi_name;
    if (search.found)
        return 1;
    search.is_program = false;
    return 0;
}

// With a final slash. Empty if it is not known. The caller of a set-user-ID program chooses how the program names itself,
// so the kernel is asked.
std::string folder_of_module()
{
    module_search search{reinterpret_cast<std::uintptr_t>(&search_module)};
    ::dl_iterate_phdr(search_module, &search);
    if (search.found && search.is_program) {
        char path[PATH_MAX];
        auto const length = ::readlink("/proc/self/exe", path, sizeof path);
        search.path.assign(path, length > 0 ? static_cast<std::size_t>(length) : 0);
    }
    search.path.resize(search.path.rfind('/') + 1); // npos + 1 is 0
    return std::move(search.path);
}

// Whether nobody else can change a file after it has been read.
bool is_ours_alone(int fd) noexcept
{
    struct stat status;
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
           (status.st_uid == 0 || status.st_uid == ::geteuid());
}

} // namespace

result<unique_fd> make_image(std::span<unsigned char const> program, long offset, std::span<char const> rest) noexcept
{
    unique_fd file(make_memory_file(program.empty() ? not_executable : executable));
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

result<unique_fd> open_installed_copy(std::span<unsigned char const> program, char const* path)
{
    auto const folder = folder_of_module();
    if (!folder.starts_with('/'))
        return error_code(ENOENT, boost::system::system_category());
    unique_fd file(::open((folder + path).c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file)
        return last_error();
    if (!is_ours_alone(file.get()))
        return error_code(ENOENT, boost::system::system_category());
    std::vector<unsigned char> content(program.size() + 1);
    auto const size = ::read(file.get(), content.data(), content.size());
    if (size < 0)
        return last_error();
    content.resize(static_cast<std::size_t>(size));
    if (!std::equal(content.begin(), content.end(), program.begin(), program.end()))
        return error_code(ENOENT, boost::system::system_category());
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
