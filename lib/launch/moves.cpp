// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/moves.hpp"

#include <algorithm>
#include <climits>

namespace brood::launch {

result<std::vector<fd_move>> order_moves(std::vector<fd_move> moves, std::function<result<int>(int)> const& spare)
{
    std::vector<fd_move> ordered;
    auto const overwrites_a_source = [&](fd_move const& move) {
        return std::any_of(moves.begin(), moves.end(), [&](fd_move const& other) {
            return other.from == move.to && other.to != move.to;
        });
    };
    while (!moves.empty()) {
        auto const harmless = std::find_if_not(moves.begin(), moves.end(), overwrites_a_source);
        if (harmless != moves.end()) {
            ordered.push_back(*harmless);
            moves.erase(harmless);
            continue;
        }
        int const source = moves.front().from;
        auto const duplicate = spare(source);
        if (!duplicate)
            return duplicate.error();
        for (auto& move : moves)
            if (move.from == source)
                move.from = duplicate.value();
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

} // namespace brood::launch
