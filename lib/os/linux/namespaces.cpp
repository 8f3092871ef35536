// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/namespaces.hpp"

#include "os/linux/abi.hpp"
#include "os/linux/syscall.hpp"
#include "os/unique_fd.hpp"

#include <charconv>
#include <string_view>

#include <fcntl.h>
#include <signal.h>

namespace brood::os {
namespace {

constexpr int text_size = 16;

// Otherwise the child's pid would be the one of another process there.
bool proc_shows_own_pids() noexcept
{
    char text[text_size];
    auto const size = ::readlink("/proc/self", text, sizeof text);
    pid_t shown = 0;
    return size > 0 && std::from_chars(text, text + size, shown).ec == std::errc() && shown == ::getpid();
}

unique_fd open_folder(pid_t process) noexcept
{
    constexpr std::string_view proc = "/proc/";
    char path[proc.size() + text_size] = {};
    std::to_chars(path + proc.copy(path, proc.size()), path + sizeof path - 1, process);
    return unique_fd(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

// The kernel takes a map in one write.
int write_file(int folder, char const* name, std::string_view content) noexcept
{
    unique_fd const file(::openat(folder, name, O_WRONLY | O_CLOEXEC));
    if (!file)
        return errno;
    return ::write(file.get(), content.data(), content.size()) < 0 ? errno : 0;
}

} // namespace

bool knows_namespaces() noexcept { return true; }

std::uint64_t namespace_flag(ns kind) noexcept
{
    switch (kind) {
    case ns::user: return abi::clone_newuser;
    case ns::mount: return abi::clone_newns;
    case ns::pid: return abi::clone_newpid;
    case ns::net: return abi::clone_newnet;
    case ns::ipc: return abi::clone_newipc;
    case ns::uts: return abi::clone_newuts;
    case ns::cgroup: return abi::clone_newcgroup;
    }
    return 0;
}

int write_id_maps(pid_t child, id_maps const& maps) noexcept
{
    if (!proc_shows_own_pids())
        return ENOTSUP;
    auto const folder = open_folder(child);
    if (!folder)
        return errno;
    int error = maps.deny_setgroups ? write_file(folder.get(), "setgroups", "deny") : 0;
    if (error == 0)
        error = write_file(folder.get(), "gid_map", maps.groups);
    return error == 0 ? write_file(folder.get(), "uid_map", maps.users) : error;
}

pid_t fork_in_namespaces(std::uint64_t flags) noexcept
{
    return static_cast<pid_t>(system_call(SYS_clone, word(flags | SIGCHLD)));
}

} // namespace brood::os
