// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_MOVES_HPP
#define BROOD_LIB_LAUNCH_MOVES_HPP

#include <brood/result.hpp>

#include <functional>
#include <vector>

namespace brood::launch {

/// Puts what the parent has at `from` at the child's number `to`.
struct fd_move {
    int from;
    int to;

    friend bool operator==(fd_move const&, fd_move const&) = default;
};

/// Orders moves with distinct targets so that none overwrites what another one still needs.
/**
 * A ring of moves has no such order. `spare` then gives a duplicate of one of its sources, out of the way of all
 * targets.
 */
result<std::vector<fd_move>> order_moves(std::vector<fd_move> moves, std::function<result<int>(int)> const& spare);

/// Descriptors from `first` to `last`, both included.
struct fd_range {
    int first;
    int last;

    friend bool operator==(fd_range const&, fd_range const&) = default;
};

/// All descriptors but those in `kept` (sorted, distinct). The last range ends at INT_MAX.
std::vector<fd_range> ranges_between(std::vector<int> const& kept);

} // namespace brood::launch

#endif
