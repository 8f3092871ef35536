// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_RELAY_HPP
#define BROOD_LIB_LAUNCH_RELAY_HPP

#include "launch/backend.hpp"
#include "launch/child_side.hpp"

/// A change of credentials at constant cost.
/**
 * A child that shares its parent's memory must not change its credentials, and a fork costs the more the larger the
 * parent is. So the shared-memory child takes the steps up to the change, and then executes the relay: a tiny program
 * of the library's own, in a memory file, that takes the others. They lie in the same file, behind the program.
 */
namespace brood::launch {

/// What the relay finds in its file. The pointers in the steps and the candidates are offsets from here.
struct relay_parcel {
    os::raw::signal_bits inherited_mask;
    int report_fd;
    unsigned count; ///< Of the steps, which come next; the last one executes the program.
};

constexpr long relay_parcel_offset = 1 << 16; ///< In the file: a multiple of any page size.

/// Whether a plan changes credentials.
bool wants_relay(plan const& p) noexcept;

/// Whether this platform has a relay, which the system has not refused so far.
bool has_relay() noexcept;

/// Makes a child that shares memory, to take these steps in the plan's stead.
using shared_launch = result<launched> (*)(plan const& p, std::vector<step> const& steps, pidfd_wish wish);

result<launched> launch_by_relay(plan const& p, pidfd_wish wish, shared_launch launch);

} // namespace brood::launch

#endif
