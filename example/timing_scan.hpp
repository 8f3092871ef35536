// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_TIMING_SCAN_HPP
#define BROOD_EXAMPLE_TIMING_SCAN_HPP

#include <boost/algorithm/string/replace.hpp>
#include <boost/algorithm/string/split.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// A parameter and its values. A command contains it as {name}.
struct parameter {
    std::string name;
    std::vector<std::string> values;

    std::string placeholder() const { return '{' + name + '}'; }
};

/// The values of parameters, in the order of the parameters.
using assignment = std::vector<std::pair<std::string, std::string>>;

/// The values from `first` to `last`, with as many decimals as the numbers have.
inline std::vector<std::string>
scan_values(std::string const& first, std::string const& last, std::string const& step = "1")
{
    std::size_t decimals = 0;
    double number[3];
    for (std::size_t i = 0; auto const* text : {&first, &last, &step}) {
        std::size_t end = 0;
        number[i++] = std::stod(*text, &end);
        if (auto const dot = text->find('.'); dot != text->npos)
            decimals = std::max(decimals, text->size() - dot - 1);
        if (end != text->size())
            throw std::invalid_argument(*text);
    }
    double const count = std::floor((number[1] - number[0]) / number[2] + 1e-9);
    if (!(number[2] > 0 && count >= 0 && count < 10000))
        throw std::invalid_argument(first + " to " + last);
    std::vector<std::string> values;
    for (int i = 0; i <= static_cast<int>(count); ++i) {
        char text[64];
        std::snprintf(text, sizeof text, "%.*f", static_cast<int>(decimals), number[0] + i * number[2]);
        values.emplace_back(text);
    }
    return values;
}

inline std::vector<std::string> list_values(std::string const& list)
{
    std::vector<std::string> values;
    return boost::split(values, list, [](char c) { return c == ','; });
}

/// Replaces the placeholders in a text.
inline std::string substitute(std::string text, assignment const& values)
{
    for (auto const& [name, value] : values)
        boost::replace_all(text, '{' + name + '}', value);
    return text;
}

/// All combinations of the values of those parameters that the texts contain.
inline std::vector<assignment>
combinations(std::vector<parameter> const& parameters, std::vector<std::string> const& texts)
{
    std::vector<assignment> all(1);
    for (auto const& parameter : parameters) {
        auto const contains = [&](std::string const& text) { return text.find(parameter.placeholder()) != text.npos; };
        if (std::none_of(texts.begin(), texts.end(), contains))
            continue;
        std::vector<assignment> longer;
        for (auto const& shorter : all)
            for (auto const& value : parameter.values) {
                longer.push_back(shorter);
                longer.back().emplace_back(parameter.name, value);
            }
        all = std::move(longer);
    }
    return all;
}

#endif
