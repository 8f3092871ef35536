// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/namespaces.hpp"

#include <cerrno>

namespace brood::os {

bool knows_namespaces() noexcept { return false; }
std::uint64_t namespace_flag(ns) noexcept { return 0; }
int write_id_maps(pid_t, id_maps const&) noexcept { return ENOTSUP; }
pid_t fork_in_namespaces(std::uint64_t) noexcept { return -ENOTSUP; }

} // namespace brood::os
