// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_BACKEND_HPP
#define BROOD_LIB_LAUNCH_BACKEND_HPP

#include "launch/plan.hpp"
#include "os/process.hpp"

namespace brood::launch {

enum class pidfd_wish { none, wanted, required };

/// A child that has executed its program.
struct launched {
    pid_t pid;
    os::unique_fd pidfd; ///< May be missing unless it was required.
};

/// One way to run a plan.
struct backend {
    spawn_backend name;
    bool (*available)() noexcept;
    /// The first step that it has no words for; null where it can express the plan.
    step const* (*inexpressible)(plan const&) noexcept;
    /// On failure nothing is left: no child, no descriptor, no changed mask.
    result<launched> (*launch)(plan const&, pidfd_wish);
};

extern backend const posix_spawn_backend; // posix_spawn.cpp
extern backend const vfork_backend;       // vfork.cpp
extern backend const fork_backend;        // fork.cpp

/// Reaps a child that has told its failure and is exiting, and passes the failure on.
error_code bury(pid_t pid, error_code why) noexcept;

/// The same for one that would run on.
error_code kill_and_bury(pid_t pid, error_code why) noexcept;

/// Opens the pidfd of a new child where its backend did not bring one; gives the child up if one is required.
result<launched> finish(launched child, pidfd_wish wish) noexcept;

/// Whether a program could not be executed since it is open for writing, which may pass within moments.
bool is_busy(error_code const& why) noexcept;

/// Runs a plan by the backend asked for, or by the best one that can. Gives a busy program some time.
result<launched> launch(plan const& p, spawn_backend choice, pidfd_wish wish);

/// Whether the system has a backend, so that a command may force it.
bool available(spawn_backend choice) noexcept;

/// Replaces this process. Returns only on failure.
error_code execute_in_place(plan const& p) noexcept;

} // namespace brood::launch

#endif
