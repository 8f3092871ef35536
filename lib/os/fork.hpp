// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_FORK_HPP
#define BROOD_LIB_OS_FORK_HPP

#include <sys/types.h>

namespace brood::os {

/// fork(2): returns 0 in the child, its pid in the parent, or -errno.
pid_t fork_process() noexcept;

} // namespace brood::os

#endif
