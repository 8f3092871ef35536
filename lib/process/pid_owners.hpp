// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_PID_OWNERS_HPP
#define BROOD_LIB_PROCESS_PID_OWNERS_HPP

#include <memory>

#include <sys/types.h>

namespace brood::detail {

class child_state;

/// Knows the children of this process that only their pids identify, because they have no pidfd.
/**
 * If other code reaps such a child, the next child may have the same pid. The former must then neither reap nor signal
 * the latter.
 */
class pid_owners {
public:
    /// A child has been created. If another one had the pid, its status is lost. If memory runs out, nothing changes.
    static void claim(pid_t pid, bool has_pidfd, std::shared_ptr<child_state> const& child) noexcept;

    /// The child has ended or is given away. Does nothing for a child that is not known.
    static void leave(pid_t pid, child_state const& child) noexcept;
};

} // namespace brood::detail

#endif
