// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_MEASURE_HPP
#define BROOD_BENCH_MEASURE_HPP

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// The middle one; of an even number, the mean of the two in the middle. Not of none.
double median(std::vector<double> values);

/// One way to do the work that is measured.
struct contender {
    std::string name;
    std::function<double(int count)> run; ///< Works `count` times; gives microseconds for one.
    int rounds;
    int count;
};

/// What came of one contender.
struct standing {
    std::string name;
    double microseconds; ///< Median over the rounds.
    double least;        ///< The best round's microseconds: what it takes on a quiet machine.
    double ratio;        ///< Median over the rounds of the ratio to the first contender in the same round.
};

/// Lets all contenders run, round by round: what slows the machine down for a while then meets them all.
std::vector<standing> compare(std::vector<contender> const& contenders);

/// Microseconds per child of a loop that makes children, when it is warm.
template <class Loop>
double time_per_child(Loop& loop, int count)
{
    using clock = std::chrono::steady_clock;
    int const warm_up = loop.in_flight() + 2;
    loop.run(warm_up);
    auto const start = clock::now();
    loop.run(count);
    return std::chrono::duration<double, std::micro>(clock::now() - start).count() / count;
}

} // namespace bench

#endif
