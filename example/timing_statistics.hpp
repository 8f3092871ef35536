// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_TIMING_STATISTICS_HPP
#define BROOD_EXAMPLE_TIMING_STATISTICS_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <random>
#include <vector>

/// Measured values. The functions require at least one.
using samples = std::vector<double>;

inline double mean(samples const& values)
{
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// The sample standard deviation; 0 for a single value.
inline double deviation(samples const& values)
{
    double const center = mean(values);
    double squares = 0;
    for (double value : values)
        squares += (value - center) * (value - center);
    return values.size() > 1 ? std::sqrt(squares / static_cast<double>(values.size() - 1)) : 0;
}

/// The value below which the fraction `p` of the values lies, interpolated between two of them.
inline double quantile(samples values, double p)
{
    std::sort(values.begin(), values.end());
    double const place = p * static_cast<double>(values.size() - 1);
    auto const below = static_cast<std::size_t>(place);
    auto const above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - std::floor(place)) * (values[above] - values[below]);
}

inline double median(samples const& values) { return quantile(values, 0.5); }
inline double minimum(samples const& values) { return *std::min_element(values.begin(), values.end()); }
inline double maximum(samples const& values) { return *std::max_element(values.begin(), values.end()); }

/// A box plot. The whiskers end at the last values within 1.5 times the box's length from the box (Tukey).
struct box_plot {
    double low = 0, first_quartile = 0, middle = 0, third_quartile = 0, high = 0;
    std::vector<std::size_t> outliers{}; // the indices of the values beyond the whiskers

    explicit box_plot(samples const& values)
        : first_quartile(quantile(values, 0.25)), middle(median(values)), third_quartile(quantile(values, 0.75))
    {
        double const reach = 1.5 * (third_quartile - first_quartile);
        low = first_quartile, high = third_quartile;
        for (std::size_t i = 0; i < values.size(); ++i)
            if (values[i] < first_quartile - reach || values[i] > third_quartile + reach)
                outliers.push_back(i);
            else
                low = std::min(low, values[i]), high = std::max(high, values[i]);
    }
};

struct interval {
    double low, high;
};

/// The 95 % confidence interval of mean(values) / mean(reference), by a bootstrap.
/**
 * values[i] and reference[i] are of the same round. Rounds are drawn with replacement, always with both values: a load on
 * the machine that affects both in the same way does not widen the interval. The interval contains the middle 95 % of
 * the ratios of 5,000 such samples. It is always the same for the same values.
 */
inline interval ratio_interval(samples const& values, samples const& reference)
{
    std::mt19937 random; // with the default seed
    samples ratios(5000);
    for (double& ratio : ratios) {
        double sum = 0, reference_sum = 0;
        for (std::size_t n = 0; n < values.size(); ++n) {
            auto const round = random() % values.size();
            sum += values[round];
            reference_sum += reference[round];
        }
        ratio = sum / reference_sum;
    }
    return {quantile(ratios, 0.025), quantile(ratios, 0.975)};
}

#endif
