// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_CREDENTIALS_HPP
#define BROOD_LIB_OS_CREDENTIALS_HPP

#include <cstddef>
#include <cstdint>

#include <sys/types.h>

namespace brood::os {

/// Whether a user is this process's real, effective or saved one: it may become that without a privilege.
bool is_own_user(uid_t user) noexcept;

/// Whether this process has the privilege to change its supplementary groups.
bool may_set_groups() noexcept;

/// Whether the user namespace denies setgroups(2) to every process (user_namespaces(7)).
bool is_setgroups_denied() noexcept;

/// Whether this thread lacks one of these capabilities, one bit for each. Those that do not exist do not count.
bool lacks_capability(std::uint64_t wanted) noexcept;

/// The same as in os/raw.hpp, but through libc, which changes the credentials of all threads. Returns -errno.
int set_groups_of_process(std::size_t count, gid_t const* ids) noexcept;
int set_group_of_process(gid_t id) noexcept;
int set_user_of_process(uid_t id) noexcept;

/// What an exec that fails may have changed of this thread's capabilities.
struct saved_capabilities {
    std::uint64_t inheritable = 0;
    std::uint64_t ambient = 0;
    bool keeps = false; ///< A change of the user keeps the permitted ones.
    bool had_root = false;
};

saved_capabilities save_capabilities() noexcept;

/// If the user has changed, also takes away what that change should have taken away.
void restore_capabilities(saved_capabilities const& saved) noexcept;

} // namespace brood::os

#endif
