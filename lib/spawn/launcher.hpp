// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_LAUNCHER_HPP
#define BROOD_LIB_SPAWN_LAUNCHER_HPP

#include "spawn/backend.hpp"

namespace brood::detail {

/// Carries out a plan with the given backend, or with the cheapest one that supports it. Retries a busy program.
result<spawned_child> launch(plan const& p, spawn_backend choice, pidfd_mode mode, kill_switch* early_kill = nullptr);

/// Whether a backend may carry out a plan: it is chosen, available and supports all steps.
bool applies(backend const& b, plan const& p, spawn_backend choice);

/// Whether another way to create the child may succeed: an old kernel, a seccomp filter or an emulator lacks a call.
bool is_refused(error_code const& error) noexcept;

/// Whether the child lacked a right that a forked one has: the exec of the relay drops the privileges of file
/// capabilities, and those of a user namespace in which the child is not root.
bool is_unprivileged(error_code const& error) noexcept;

/// Whether the child could not join a process group because the group has ended.
/**
 * The leader of a group may have been reaped by other code, or by the kernel if SIGCHLD is ignored.
 */
bool is_group_gone(error_code const& error) noexcept;

/// Whether the system has refused to execute the relay, and the next launch executes another copy of it.
bool is_relay_replaced(error_code const& error) noexcept;

/// Whether the exec failed because the program file is open for writing. This often passes within milliseconds.
bool is_busy(error_code const& error) noexcept;

/// Whether the system supports a backend.
bool available(spawn_backend choice) noexcept;

} // namespace brood::detail

#endif
