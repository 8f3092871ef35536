// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/cgroup.hpp"

#include <cerrno>

namespace brood::os {
namespace {

error_code unsupported() noexcept { return {ENOTSUP, boost::system::system_category()}; }

} // namespace

result<unique_fd> open_cgroup(char const*) noexcept { return unsupported(); }
result<void> kill_cgroup(int) noexcept { return unsupported(); }
result<std::string> own_cgroup() { return unsupported(); }
result<void> create_cgroup(int, char const*) noexcept { return unsupported(); }
result<void> remove_cgroup(int, char const*) noexcept { return unsupported(); }
result<unique_fd> open_cgroup_in(int, char const*) noexcept { return unsupported(); }
result<unique_fd> open_cgroup_kill(int, char const*) noexcept { return unsupported(); }
result<void> kill_cgroup_by(int) noexcept { return unsupported(); }
error_code check_usable_cgroup(int) noexcept { return {ENOTSUP, boost::system::system_category()}; }
result<unique_fd> open_cgroup_events(int, char const*) noexcept { return unsupported(); }
result<bool> is_populated(int) noexcept { return unsupported(); }
void wait_for_change(int) noexcept {}
result<void> set_in_cgroup(int, char const*, std::string_view) noexcept { return unsupported(); }
bool enable_counters(int) noexcept { return false; }
tree_usage read_usage(int, bool) noexcept { return {}; }

} // namespace brood::os
