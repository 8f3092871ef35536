// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/credentials.hpp"

#include "os/linux/abi.hpp"
#include "os/linux/syscall.hpp"
#include "os/raw.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace brood::os {
namespace {

struct capability_sets {
    std::uint64_t effective = 0, permitted = 0, inheritable = 0;
};

capability_sets capabilities() noexcept
{
    abi::capability_header header = abi::own_capabilities;
    abi::capability_word words[2] = {};
    system_call(SYS_capget, word(&header), word(words));
    auto const join = [&](std::uint32_t abi::capability_word::*set) {
        return words[0].*set | std::uint64_t(words[1].*set) << 32;
    };
    return {
        join(&abi::capability_word::effective), join(&abi::capability_word::permitted),
        join(&abi::capability_word::inheritable)};
}

void set_capabilities(capability_sets const& sets) noexcept
{
    abi::capability_header header = abi::own_capabilities;
    auto const part = [&](int shift) {
        return abi::capability_word{
            static_cast<std::uint32_t>(sets.effective >> shift), static_cast<std::uint32_t>(sets.permitted >> shift),
            static_cast<std::uint32_t>(sets.inheritable >> shift)};
    };
    abi::capability_word const words[2] = {part(0), part(32)};
    system_call(SYS_capset, word(&header), word(words));
}

bool has_root() noexcept
{
    uid_t real = 0, effective = 0, saved = 0;
    ::getresuid(&real, &effective, &saved);
    return real == 0 || effective == 0 || saved == 0;
}

} // namespace

bool is_own_user(uid_t user) noexcept
{
    uid_t real, effective, saved;
    return ::getresuid(&real, &effective, &saved) == 0 && (user == real || user == effective || user == saved);
}

bool may_set_groups() noexcept
{
    constexpr int set_gid = 6;
    return (capabilities().effective >> set_gid & 1) != 0;
}

bool is_setgroups_denied() noexcept
{
    int const fd = ::open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char text[5] = {};
    auto const size = ::read(fd, text, sizeof text);
    ::close(fd);
    return size >= 4 && std::memcmp(text, "deny", 4) == 0;
}

bool lacks_capability(std::uint64_t wanted) noexcept
{
    auto const lacking = wanted & ~capabilities().permitted;
    for (int number = 0; number < 64; ++number)
        if ((lacking >> number & 1) != 0 && ::prctl(PR_CAPBSET_READ, number) >= 0) // else it does not exist
            return true;
    return false;
}

int set_groups_of_process(std::size_t count, gid_t const* ids) noexcept
{
    return ::setgroups(count, ids) < 0 ? -errno : 0;
}

int set_group_of_process(gid_t id) noexcept { return ::setresgid(id, id, id) < 0 ? -errno : 0; }
int set_user_of_process(uid_t id) noexcept { return ::setresuid(id, id, id) < 0 ? -errno : 0; }

saved_capabilities save_capabilities() noexcept
{
    saved_capabilities saved{capabilities().inheritable, 0, ::prctl(PR_GET_KEEPCAPS) == 1, has_root()};
    for (int number = 0; number < 64; ++number)
        if (system_call(SYS_prctl, abi::prctl_ambient, abi::ambient_is_set, number) == 1)
            saved.ambient |= std::uint64_t(1) << number;
    return saved;
}

void restore_capabilities(saved_capabilities const& saved) noexcept
{
    ::prctl(PR_SET_KEEPCAPS, saved.keeps ? 1 : 0);
    raw::clear_ambient_capabilities();
    auto sets = capabilities();
    sets.inheritable = saved.inheritable;
    if (saved.had_root && !has_root() && !saved.keeps)
        sets.effective = sets.permitted = 0;
    set_capabilities(sets);
    if (auto const ambient = saved.ambient & sets.permitted; ambient != 0)
        raw::raise_ambient_capabilities(ambient);
}

} // namespace brood::os
