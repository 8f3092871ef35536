// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_BACKEND_HPP
#define BROOD_LIB_SPAWN_BACKEND_HPP

#include "contain/guard_link.hpp"
#include "os/unique_fd.hpp"
#include "spawn/plan.hpp"

#include <brood/backend.hpp>

namespace brood::detail {

/// Whether a backend opens the child's pidfd. `wanted`: its absence is not an error.
enum class pidfd_mode { none, wanted, required };

/// A child that has executed its program.
struct spawned_child {
    pid_t pid;
    os::unique_fd pidfd{};               ///< Valid if it was required, unless other code has reaped the child already.
    std::shared_ptr<guard_link> guard{}; ///< If the child is the guard of a contained program.
};

class kill_switch;

/// One way to carry out a plan.
struct backend {
    spawn_backend name;
    bool (*available)() noexcept;
    /// The first step that the backend does not support; null if it supports the plan.
    step const* (*unsupported_step)(plan const&);
    /// A failure leaves no child, no descriptor and no changed signal mask. The switch, which may be null, kills the
    /// child before its exec, except with `posix_spawn`.
    result<spawned_child> (*launch)(plan const&, pidfd_mode, kill_switch*);
};

extern backend const posix_spawn_backend; // posix_spawn.cpp
extern backend const vfork_backend;       // vfork.cpp
extern backend const fork_backend;        // fork.cpp

// What the backends share.

/// The stage of a clone that has failed. A shortage would have failed without a cgroup and namespaces, too.
spawn_stage stage_of_clone(plan const& p, int error) noexcept;

/// Reaps a child that has reported its failure and is exiting. Returns the failure.
error_code reap_failed_child(pid_t pid, error_code failure) noexcept;

/// Kills and reaps a child that may still run. Returns the failure.
error_code kill_and_reap(spawned_child const& child, error_code failure) noexcept;

/// Opens the pidfd of a child that has none yet. If it is required and not available, kills the child.
result<spawned_child> ensure_pidfd(spawned_child child, pidfd_mode mode) noexcept;

} // namespace brood::detail

#endif
