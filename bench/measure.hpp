// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_MEASURE_HPP
#define BROOD_BENCH_MEASURE_HPP

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace bench {

using clock = std::chrono::steady_clock;

inline double microseconds(clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

/// The value below which that share of them lies: 0.5 gives the median. Not of none.
double quantile(std::vector<double> values, double share);

/// One way to do the work that is measured.
struct contender {
    std::string name;
    std::function<double()> run; ///< Works once; gives what it measured.
    int rounds;
};

/// What came of one contender.
struct standing {
    std::string name;
    double median;
    double least; ///< The best round: what it takes on a quiet machine.
    double ratio; ///< Median over the rounds of the ratio to the first contender in the same round.
};

/// Lets all contenders run, round by round: what slows the machine down for a while then meets them all.
std::vector<standing> compare(std::vector<contender> const& contenders);

/// Writes one value of a result as a line for the report: tab-separated, on standard output.
void tell(char const* experiment, double at, std::string const& name, char const* metric, double value);

/// The same of each standing.
void tell(char const* experiment, double at, std::vector<standing> const& standings, char const* unit);

} // namespace bench

#endif
