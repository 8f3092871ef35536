// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_PID_OWNERS_HPP
#define BROOD_LIB_PROCESS_PID_OWNERS_HPP

#include <atomic>
#include <memory>

#include <sys/types.h>

namespace brood::detail {

/// Set when another child of this process has got the pid, so that other code has reaped the former one.
using lost_flag = std::shared_ptr<std::atomic<bool>>;

/// Knows the children of this process that only their pids identify, because they have no pidfd.
/**
 * If other code reaps such a child, the next child may have the same pid. The former must then neither reap nor signal
 * the latter.
 */
class pid_owners {
public:
    /// A child has just been created: the former owner of its pid is lost, and the watch of that one is notified. Returns
    /// the result of `add` for a child without a pidfd, else null.
    static lost_flag claim(pid_t pid, bool has_pidfd) noexcept;

    /// Adds a child that only its pid identifies from now on. The flag is set if another child has the pid. Null if memory
    /// runs out.
    static lost_flag add(pid_t pid) noexcept;

    /// Removes the child with this flag, because it has ended.
    static void leave(pid_t pid, lost_flag const& flag) noexcept;
};

} // namespace brood::detail

#endif
