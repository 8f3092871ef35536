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
    /// A child has just been created. A former owner of the pid is lost, and its watch is notified. Returns the flag of
    /// a child without a pidfd; null if memory runs out.
    static lost_flag claim(pid_t pid, bool has_pidfd) noexcept;

    /// The child, which has not ended, gives its pidfd away. If another child has the pid, the flag is set.
    static lost_flag keep(pid_t pid) noexcept;

    /// The child with this flag has ended.
    static void leave(pid_t pid, lost_flag const& flag) noexcept;
};

} // namespace brood::detail

#endif
