// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_RELAY_HPP
#define BROOD_LIB_SPAWN_RELAY_HPP

#include "spawn/backend.hpp"
#include "spawn/child_side.hpp"

/// Changes credentials at constant cost.
/**
 * A child that shares its parent's memory must not change its credentials, and the cost of a fork grows with the
 * parent's memory. The child therefore carries out the steps before the change in shared memory. Then it executes the
 * relay, a small static program in a memory file, which carries out the remaining steps. They are stored in the same
 * file, behind the program.
 */
namespace brood::detail {

/// The header of the steps in the relay's file. Pointers in the steps and the candidates are offsets from it.
struct relay_parcel {
    os::raw::signal_bits inherited_mask;
    int report_fd;
    unsigned count; ///< The number of steps, which follow. The last one executes the program.
};

constexpr long relay_parcel_offset = 1 << 16; ///< Its position in the file: a multiple of any page size.

/// Whether a plan changes credentials.
bool wants_relay(plan const& p) noexcept;

/// Whether a plan that changes credentials can be launched by the relay.
/**
 * Not if this platform has none, or the system has refused it before. `/proc/self/exe` and `/dev/fd/3` would refer to
 * the relay.
 */
bool can_relay(plan const& p);

/// Launches a child that shares memory, with steps that replace the plan's.
using shared_launch = result<spawned_child> (*)(plan const& p, std::vector<step> const& steps, pidfd_mode mode);

result<spawned_child> launch_by_relay(plan const& p, pidfd_mode mode, shared_launch launch);

} // namespace brood::detail

#endif
