// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "measure.hpp"

#include <algorithm>

namespace bench {

double median(std::vector<double> values)
{
    std::ranges::sort(values);
    auto const middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<standing> compare(std::vector<contender> const& contenders)
{
    struct series {
        std::vector<double> times, ratios;
    };
    std::vector<series> all(contenders.size());
    int rounds = 0;
    for (auto const& one : contenders)
        rounds = std::max(rounds, one.rounds);
    for (int round = 0; round < rounds; ++round) {
        double floor = 0;
        for (std::size_t i = 0; i < contenders.size(); ++i) {
            auto const& one = contenders[i];
            if (round >= one.rounds)
                continue;
            double const time = one.run(one.count);
            if (i == 0)
                floor = time;
            all[i].times.push_back(time);
            all[i].ratios.push_back(time / floor);
        }
    }
    std::vector<standing> standings;
    for (std::size_t i = 0; i < contenders.size(); ++i)
        standings.push_back(
            {contenders[i].name, median(all[i].times), std::ranges::min(all[i].times), median(all[i].ratios)});
    return standings;
}

} // namespace bench
