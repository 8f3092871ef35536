// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_TIMING_REPORT_HPP
#define BROOD_EXAMPLE_TIMING_REPORT_HPP

#include "timing_scan.hpp"
#include "timing_statistics.hpp"

#include <brood/exit_status.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

/// The measurements of a command, one value for each run. Times are in seconds.
struct measurements {
    std::string command;
    assignment parameters;
    samples wall{}, user{}, system{};
    std::vector<std::uint64_t> peak_memory{}; // bytes
    std::vector<brood::exit_status> statuses{};

    auto failures() const
    {
        return std::count_if(statuses.begin(), statuses.end(), [](auto status) { return !status.success(); });
    }
    double peak_mebibytes() const
    {
        return static_cast<double>(*std::max_element(peak_memory.begin(), peak_memory.end())) / (1 << 20);
    }
};

/// As printf(3).
template <class... Values>
std::string format(char const* text, Values... values)
{
    std::string result(static_cast<std::size_t>(std::snprintf(nullptr, 0, text, values...)), ' ');
    std::snprintf(result.data(), result.size() + 1, text, values...);
    return result;
}

inline std::string describe_times(char const* name, samples const& values)
{
    return format(
        "  %-7s %10.3f ms ± %8.3f %10.3f %10.3f ... %.3f\n", name, 1e3 * mean(values), 1e3 * deviation(values),
        1e3 * median(values), 1e3 * minimum(values), 1e3 * maximum(values));
}

/// For example "  outliers  run 7: 12.300 ms, run 9: 14.100 ms".
inline std::string describe_outliers(samples const& values)
{
    constexpr std::size_t most = 5;
    auto const outliers = box_plot(values).outliers;
    std::string text;
    for (std::size_t i = 0; i < std::min(outliers.size(), most); ++i)
        text += format("%s run %zu: %.3f ms", i == 0 ? "" : ",", outliers[i] + 1, 1e3 * values[outliers[i]]);
    if (outliers.size() > most)
        text += format(" and %zu more", outliers.size() - most);
    return text.empty() ? text : "  outliers " + text + '\n';
}

inline std::string to_text(std::vector<measurements> const& all)
{
    std::string text;
    for (auto const& one : all) {
        text += one.command + '\n';
        text += format("  %5zu runs       mean ± deviation     median        min ... max\n", one.wall.size());
        text +=
            describe_times("wall", one.wall) + describe_times("user", one.user) + describe_times("system", one.system);
        text += format("  memory  %10.1f MiB peak\n", one.peak_mebibytes()) + describe_outliers(one.wall);
        if (one.failures() > 0)
            text += format("  failed  %zd times\n", one.failures());
    }
    for (std::size_t i = 1; i < all.size(); ++i) {
        auto const [low, high] = ratio_interval(all[i].wall, all[0].wall);
        text += all[i].command + '\n';
        text += format("  takes %.3f times as long (95 %% confidence: ", mean(all[i].wall) / mean(all[0].wall));
        text += format("%.3f ... %.3f) as\n", low, high) + all[0].command + '\n';
    }
    return text;
}

inline std::string to_markdown(std::vector<measurements> const& all)
{
    std::string text =
        "| Command | Mean [ms] | Min [ms] | Max [ms] | User [ms] | System [ms] | Memory [MiB] | Relative |\n"
        "|:---|---:|---:|---:|---:|---:|---:|---:|\n";
    for (auto const& one : all) {
        auto name = one.command;
        boost::replace_all(name, "|", "\\|");
        text += "| `" + name + "` | ";
        text += format("%.3f ± %.3f | ", 1e3 * mean(one.wall), 1e3 * deviation(one.wall));
        text += format("%.3f | %.3f | ", 1e3 * minimum(one.wall), 1e3 * maximum(one.wall));
        text += format("%.3f | %.3f | ", 1e3 * mean(one.user), 1e3 * mean(one.system));
        text += format("%.1f | %.3f", one.peak_mebibytes(), mean(one.wall) / mean(all[0].wall));
        if (&one != &all[0]) {
            auto const [low, high] = ratio_interval(one.wall, all[0].wall);
            text += format(" (%.3f ... %.3f)", low, high);
        }
        text += " |\n";
    }
    return text;
}

/// In the form of hyperfine's --export-json.
inline std::string to_json(std::vector<measurements> const& all)
{
    namespace json = boost::json;
    json::array results;
    for (auto const& one : all) {
        json::array exit_codes;
        for (auto status : one.statuses)
            exit_codes.push_back(status.code() ? json::value(*status.code()) : json::value());
        json::object result{
            {"command", one.command},
            {"mean", mean(one.wall)},
            {"stddev", one.wall.size() > 1 ? json::value(deviation(one.wall)) : json::value()},
            {"median", median(one.wall)},
            {"user", mean(one.user)},
            {"system", mean(one.system)},
            {"min", minimum(one.wall)},
            {"max", maximum(one.wall)},
            {"times", json::value_from(one.wall)},
            {"memory_usage_byte", json::value_from(one.peak_memory)},
            {"exit_codes", exit_codes},
        };
        if (!one.parameters.empty()) {
            json::object parameters;
            for (auto const& [name, value] : one.parameters)
                parameters[name] = value;
            result["parameters"] = parameters;
        }
        results.push_back(result);
    }
    return serialize(json::object{{"results", results}}) + '\n';
}

#endif
