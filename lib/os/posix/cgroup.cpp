// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/cgroup.hpp"

#include <cerrno>

namespace brood::os {

result<unique_fd> open_cgroup(char const*) noexcept { return error_code(ENOTSUP, boost::system::system_category()); }
result<void> kill_cgroup(int) noexcept { return error_code(ENOTSUP, boost::system::system_category()); }

} // namespace brood::os
