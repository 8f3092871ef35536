// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_ORPHANS_HPP
#define BROOD_LIB_CHILD_ORPHANS_HPP

#include "os/unique_fd.hpp"

#include <memory>

#include <sys/types.h>

namespace brood::detail {

/// A child that nobody holds any more, and that has not been reaped.
struct orphan {
    pid_t pid;
    os::unique_fd pidfd;
    bool killed;                  ///< It has been sent SIGKILL, so its end is near.
    std::shared_ptr<void> memory; ///< What it may still use of this process's memory.
};

/// Reaps it when it ends, on a loop of the library's own.
/**
 * That loop outlives every context and keeps none at work. Its thread runs while there are orphans.
 */
void adopt_orphan(orphan child) noexcept;

/// Whether some are still waited for.
bool has_orphans() noexcept;

} // namespace brood::detail

#endif
