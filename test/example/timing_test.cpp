// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "../../example/timing_scan.hpp"
#include "../../example/timing_statistics.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

TEST_SUITE_BEGIN("timing");

TEST_CASE("timing: mean, deviation and quantiles of known values")
{
    samples const values{4, 1, 3, 2};
    CHECK(mean(values) == doctest::Approx(2.5));
    CHECK(deviation(values) == doctest::Approx(std::sqrt(5.0 / 3)));
    CHECK(median(values) == doctest::Approx(2.5));
    CHECK(quantile(values, 0.25) == doctest::Approx(1.75));
    CHECK(minimum(values) == 1);
    CHECK(maximum(values) == 4);
    CHECK(median({7}) == 7);
    CHECK(deviation({7}) == 0);
    CHECK(quantile({7}, 1) == 7);
}

TEST_CASE("timing: a box plot names the values beyond its whiskers")
{
    box_plot const box({5, 4, 20, 6, 5, 4, 6, -9, 7.5});
    CHECK(box.middle == 5);
    CHECK(box.first_quartile == 4);
    CHECK(box.third_quartile == 6);
    CHECK(box.low == 4);
    CHECK(box.high == 7.5);
    CHECK(box.outliers == std::vector<std::size_t>{2, 7});
    CHECK(box_plot({3, 3, 3}).outliers.empty());
    CHECK(box_plot({3}).high == 3);
}

TEST_CASE("timing: the interval of a ratio")
{
    auto const [low, high] = ratio_interval({2, 4, 6, 8}, {1, 2, 3, 4}); // twice as long in each round
    CHECK(low == doctest::Approx(2));
    CHECK(high == doctest::Approx(2));
    auto const [own_low, own_high] = ratio_interval({1, 5, 2}, {1, 5, 2});
    CHECK(own_low == 1);
    CHECK(own_high == 1);
}

TEST_CASE("timing: the interval of a ratio contains the true ratio in about 95 % of the experiments")
{
    std::mt19937 random(1);
    auto const noise = [&] { return static_cast<double>(random() % 10001) / 10000; };
    int hits = 0;
    constexpr int experiments = 200;
    for (int i = 0; i < experiments; ++i) {
        samples values, reference;
        for (int round = 0; round < 30; ++round) {
            double const load = 10 + 5 * noise();
            values.push_back(1.5 * load * (0.9 + 0.2 * noise()));
            reference.push_back(load * (0.9 + 0.2 * noise()));
        }
        auto const [low, high] = ratio_interval(values, reference);
        hits += low <= 1.5 && 1.5 <= high;
        CHECK(high - low < 0.15); // 0.2 without the pairs
    }
    CAPTURE(hits);
    CHECK(hits >= experiments * 90 / 100);
    CHECK(hits < experiments);
}

TEST_CASE("timing: values of a scan")
{
    using values = std::vector<std::string>;
    CHECK(scan_values("1", "4") == values{"1", "2", "3", "4"});
    CHECK(scan_values("-1", "1") == values{"-1", "0", "1"});
    CHECK(scan_values("8", "8") == values{"8"});
    CHECK(scan_values("0", "1", "0.25") == values{"0.00", "0.25", "0.50", "0.75", "1.00"});
    CHECK(scan_values("0", "0.3", "0.1") == values{"0.0", "0.1", "0.2", "0.3"});
    CHECK(scan_values("1", "8", "3") == values{"1", "4", "7"});
    std::vector<std::array<char const*, 3>> const invalid{{"2", "1", "1"}, {"1", "2", "0"},  {"1", "2", "-1"},
                                                          {"x", "2", "1"}, {"1", "2x", "1"}, {"1", "nan", "1"}};
    for (auto const& words : invalid) {
        CAPTURE(words[0]);
        CAPTURE(words[1]);
        CAPTURE(words[2]);
        CHECK_THROWS_AS(scan_values(words[0], words[1], words[2]), std::invalid_argument);
    }
    CHECK(list_values("a,,b") == values{"a", "", "b"});
}

TEST_CASE("timing: combinations of the parameters that the texts contain")
{
    std::vector<parameter> const parameters{{"n", {"1", "2"}}, {"other", {"x"}}, {"kind", {"a", "b"}}};
    auto const all = combinations(parameters, {"run {n}", "{n}{kind}"});
    REQUIRE(all.size() == 4);
    CHECK(all[1] == assignment{{"n", "1"}, {"kind", "b"}});
    CHECK(substitute("{n}{kind}{other}{n}", all[2]) == "2a{other}2");
    CHECK(combinations(parameters, {"run n"}) == std::vector<assignment>(1));
}

TEST_SUITE_END();
