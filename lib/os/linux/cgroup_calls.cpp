// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// This code also runs in the watchdog, which has no C library.
#include "os/cgroup_calls.hpp"

#include "os/linux/abi.hpp"
#include "os/linux/syscall.hpp"

#include <cerrno>

#include <dirent.h>
#include <fcntl.h>

namespace brood::os::raw {
namespace {

int open(int directory, char const* name, int flags) noexcept
{
    return call(SYS_openat, directory, word(name), flags | O_CLOEXEC);
}

int remove_directory(int directory, char const* name) noexcept
{
    return call(SYS_unlinkat, directory, word(name), AT_REMOVEDIR);
}

// Appends a text as far as there is room, and returns its end.
char* append(char* at, char* end, char const* text) noexcept
{
    while (at != end && *text != '\0')
        *at++ = *text++;
    return at;
}

// The names of the cgroups that the library creates are short.
int open_in(int directory, char const* cgroup, char const* file, int flags) noexcept
{
    char path[128];
    auto* const last = path + sizeof path - 1;
    auto* const end = append(append(append(path, last, cgroup), last, "/"), last, file);
    if (end == last)
        return -ENAMETOOLONG;
    *end = '\0';
    return open(directory, path, flags);
}

bool is_name(char const* name) noexcept
{
    return name[0] != '.' || (name[1] != '\0' && (name[1] != '.' || name[2] != '\0'));
}

// A listing goes on after the removal of what it has listed.
void remove_cgroups_in(int directory) noexcept
{
    alignas(abi::directory_entry) char buffer[1024];
    int size = 0;
    while ((size = call(SYS_getdents64, directory, word(buffer), sizeof buffer)) > 0)
        for (int at = 0; at < size;) {
            auto const* entry = reinterpret_cast<abi::directory_entry const*>(&buffer[at]);
            if (entry->type == DT_DIR && is_name(entry->name))
                (void)remove_cgroup(directory, entry->name);
            at += entry->length;
        }
}

} // namespace

int kill_cgroup(int directory) noexcept
{
    int const file = open(directory, "cgroup.kill", O_WRONLY);
    if (file < 0)
        return file;
    int const killed = kill_by(file);
    call(SYS_close, file);
    return killed;
}

int kill_by(int descriptor) noexcept
{
    int const written = call(SYS_write, descriptor, word("1"), 1);
    return written < 0 ? written : 0;
}

int open_cgroup(int directory, char const* cgroup) noexcept { return open(directory, cgroup, O_PATH | O_DIRECTORY); }

// "populated 0" or "populated 1" is the first line.
int is_populated(int events) noexcept
{
    constexpr int at = 10;
    char text[at + 1];
    call(SYS_lseek, events, 0, SEEK_SET);
    int const size = call(SYS_read, events, word(text), sizeof text);
    return size < 0 ? size : size > at && text[at] == '1'; // the file of a removed cgroup may be empty
}

int open_events(int directory, char const* cgroup) noexcept
{
    return open_in(directory, cgroup, "cgroup.events", O_RDONLY);
}

int open_kill(int directory, char const* cgroup) noexcept
{
    return open_in(directory, cgroup, "cgroup.kill", O_WRONLY);
}

int create_cgroup(int directory, char const* cgroup) noexcept
{
    constexpr int mode = 0755;
    int const created = call(SYS_mkdirat, directory, word(cgroup), mode);
    if (created < 0)
        return created;
    int const opened = open_cgroup(directory, cgroup);
    if (opened < 0)
        (void)remove_directory(directory, cgroup);
    return opened;
}

int remove_cgroup(int directory, char const* cgroup) noexcept
{
    int const removed = remove_directory(directory, cgroup);
    if (removed != -EBUSY) // also if there are cgroups below
        return removed;
    int const folder = open(directory, cgroup, O_RDONLY | O_DIRECTORY);
    if (folder < 0)
        return folder;
    remove_cgroups_in(folder);
    call(SYS_close, folder);
    return remove_directory(directory, cgroup);
}

} // namespace brood::os::raw
