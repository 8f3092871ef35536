// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/credentials.hpp"

#include "os/raw.hpp"

#include <unistd.h>

namespace brood::os {

bool is_own_user(uid_t user) noexcept { return user == ::getuid() || user == ::geteuid(); }
bool may_set_groups() noexcept { return ::geteuid() == 0; }
bool is_setgroups_denied() noexcept { return false; }
bool lacks_capability(std::uint64_t) noexcept { return false; } // the step reports that there are none

int set_groups_of_process(std::size_t count, gid_t const* ids) noexcept { return raw::set_groups(count, ids); }
int set_group_of_process(gid_t id) noexcept { return raw::set_group(id); }
int set_user_of_process(uid_t id) noexcept { return raw::set_user(id); }

saved_capabilities save_capabilities() noexcept { return {}; }
void restore_capabilities(saved_capabilities const&) noexcept {}

} // namespace brood::os
