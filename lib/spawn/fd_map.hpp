// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_FD_MAP_HPP
#define BROOD_LIB_SPAWN_FD_MAP_HPP

#include <brood/result.hpp>

#include <functional>
#include <vector>

namespace brood::detail {

/// Duplicates the parent's descriptor `from` to the child's number `to`.
struct fd_dup {
    int from;
    int to;

    friend bool operator==(fd_dup const&, fd_dup const&) = default;
};

/// Orders duplications with distinct targets so that none overwrites the source of a later one.
/**
 * A cycle has no such order. `duplicate` then returns a copy of one of its sources, above all targets.
 */
result<std::vector<fd_dup>> order_dups(std::vector<fd_dup> dups, std::function<result<int>(int)> const& duplicate);

/// The descriptors from `first` to `last`, both included.
struct fd_range {
    int first;
    int last;

    friend bool operator==(fd_range const&, fd_range const&) = default;
};

/// All descriptors except those in `kept`, which is sorted and distinct. The last range ends at INT_MAX.
std::vector<fd_range> ranges_between(std::vector<int> const& kept);

} // namespace brood::detail

#endif
