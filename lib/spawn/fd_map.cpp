// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/fd_map.hpp"

#include <algorithm>
#include <climits>

namespace brood::detail {

result<std::vector<fd_dup>> order_dups(std::vector<fd_dup> dups, std::function<result<int>(int)> const& duplicate)
{
    std::vector<fd_dup> ordered;
    auto const overwrites_a_source = [&](fd_dup const& dup) {
        return std::any_of(
            dups.begin(), dups.end(), [&](fd_dup const& other) { return other.from == dup.to && other.to != dup.to; });
    };
    while (!dups.empty()) {
        auto const harmless = std::find_if_not(dups.begin(), dups.end(), overwrites_a_source);
        if (harmless != dups.end()) {
            ordered.push_back(*harmless);
            dups.erase(harmless);
            continue;
        }
        int const source = dups.front().from;
        auto const copy = duplicate(source);
        if (!copy)
            return copy.error();
        for (auto& dup : dups)
            if (dup.from == source)
                dup.from = copy.value();
    }
    return ordered;
}

std::vector<fd_range> ranges_between(std::vector<int> const& kept)
{
    std::vector<fd_range> ranges;
    int next = 0;
    for (int fd : kept) {
        if (fd > next)
            ranges.push_back({next, fd - 1});
        if (fd == INT_MAX)
            return ranges;
        next = fd + 1;
    }
    ranges.push_back({next, INT_MAX});
    return ranges;
}

} // namespace brood::detail
