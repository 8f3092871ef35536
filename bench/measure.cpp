// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>

namespace bench {

double quantile(std::vector<double> values, double fraction)
{
    std::ranges::sort(values);
    double const position = fraction * static_cast<double>(values.size() - 1);
    auto const below = static_cast<std::size_t>(position);
    auto const above = std::min(below + 1, values.size() - 1);
    return std::lerp(values[below], values[above], position - std::floor(position));
}

std::vector<summary> compare(std::vector<contender> const& contenders)
{
    struct samples {
        std::vector<double> values, ratios;
    };
    std::vector<samples> measured(contenders.size());
    int rounds = 0;
    for (auto const& contender : contenders)
        rounds = std::max(rounds, contender.rounds);
    // A contender influences the next one, through caches and the scheduler: each round has a different order.
    std::vector<std::size_t> order(contenders.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::mt19937 random; // default seed: every run has the same orders
    for (int round = 0; round < rounds; ++round) {
        std::ranges::shuffle(order, random);
        for (auto const i : order)
            if (round < contenders[i].rounds)
                measured[i].values.push_back(contenders[i].run());
        for (auto& series : measured)
            if (series.values.size() > series.ratios.size())
                series.ratios.push_back(series.values.back() / measured.front().values.back());
    }
    std::vector<summary> summaries;
    for (std::size_t i = 0; i < contenders.size(); ++i)
        summaries.push_back(
            {contenders[i].name, quantile(measured[i].values, 0.5), std::ranges::min(measured[i].values),
             quantile(measured[i].ratios, 0.5)});
    return summaries;
}

void emit(char const* experiment, double parameter, std::string const& name, char const* metric, double value)
{
    std::printf("%s\t%g\t%s\t%s\t%.6g\n", experiment, parameter, name.c_str(), metric, value);
    std::fflush(stdout);
}

void emit(char const* experiment, double parameter, std::vector<summary> const& summaries, char const* unit)
{
    for (auto const& summary : summaries) {
        emit(experiment, parameter, summary.name, unit, summary.median);
        emit(experiment, parameter, summary.name, "min", summary.min);
        emit(experiment, parameter, summary.name, "ratio", summary.ratio);
    }
}

} // namespace bench
