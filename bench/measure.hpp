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

/// The quantile of the values, linearly interpolated. 0.5 is the median. Requires at least one value.
double quantile(std::vector<double> values, double fraction);

/// A candidate of a comparison.
struct contender {
    std::string name;
    std::function<double()> run; ///< Runs one round and returns the measured value.
    int rounds;
};

/// The result of one contender.
struct summary {
    std::string name;
    double median;
    double min;   ///< The round with the least disturbance.
    double ratio; ///< The median of the per-round ratios to the first contender.
};

/// Runs all contenders round by round, so that a temporary slowdown of the machine affects all of them.
std::vector<summary> compare(std::vector<contender> const& contenders);

/// Prints one value for the report: a line of tab-separated fields on standard output.
void emit(char const* experiment, double parameter, std::string const& name, char const* metric, double value);

/// Prints the values of each summary for the report.
void emit(char const* experiment, double parameter, std::vector<summary> const& summaries, char const* unit);

} // namespace bench

#endif
