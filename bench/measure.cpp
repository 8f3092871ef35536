// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>

namespace bench {

double quantile(std::vector<double> values, double share)
{
    std::ranges::sort(values);
    double const at = share * static_cast<double>(values.size() - 1);
    auto const below = static_cast<std::size_t>(at);
    auto const above = std::min(below + 1, values.size() - 1);
    return std::lerp(values[below], values[above], at - std::floor(at));
}

std::vector<standing> compare(std::vector<contender> const& contenders)
{
    struct series {
        std::vector<double> values, ratios;
    };
    std::vector<series> all(contenders.size());
    int rounds = 0;
    for (auto const& one : contenders)
        rounds = std::max(rounds, one.rounds);
    // Each finds the machine as the one before has left it, so that is another one in each round.
    std::vector<std::size_t> order(contenders.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::mt19937 random; // the same in each run
    for (int round = 0; round < rounds; ++round) {
        std::ranges::shuffle(order, random);
        for (auto const i : order)
            if (round < contenders[i].rounds)
                all[i].values.push_back(contenders[i].run());
        for (auto& one : all)
            if (one.values.size() > one.ratios.size())
                one.ratios.push_back(one.values.back() / all.front().values.back());
    }
    std::vector<standing> standings;
    for (std::size_t i = 0; i < contenders.size(); ++i)
        standings.push_back(
            {contenders[i].name, quantile(all[i].values, 0.5), std::ranges::min(all[i].values),
             quantile(all[i].ratios, 0.5)});
    return standings;
}

void tell(char const* experiment, double at, std::string const& name, char const* metric, double value)
{
    std::printf("%s\t%g\t%s\t%s\t%.6g\n", experiment, at, name.c_str(), metric, value);
    std::fflush(stdout);
}

void tell(char const* experiment, double at, std::vector<standing> const& standings, char const* unit)
{
    for (auto const& one : standings) {
        tell(experiment, at, one.name, unit, one.median);
        tell(experiment, at, one.name, "least", one.least);
        tell(experiment, at, one.name, "ratio", one.ratio);
    }
}

} // namespace bench
