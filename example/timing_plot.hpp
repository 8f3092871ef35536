// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_TIMING_PLOT_HPP
#define BROOD_EXAMPLE_TIMING_PLOT_HPP

#include "timing_report.hpp"

#include <boost/algorithm/string/replace.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

/// Escapes a text for XML, which does not allow control characters.
inline std::string escape_xml(std::string text)
{
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    for (auto const& [from, to] : {std::pair("&", "&amp;"), {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}})
        boost::replace_all(text, from, to);
    return text;
}

/// 1, 2 or 5 times a power of ten: the distance of at most ten ticks on an axis of this length.
inline double tick_distance(double length)
{
    double const power = std::pow(10, std::floor(std::log10(length / 10)));
    for (double factor : {1, 2, 5})
        if (length / (factor * power) <= 10)
            return factor * power;
    return 10 * power;
}

/// The wall times as box plots, one below the other: an SVG file.
inline std::string to_svg(std::vector<measurements> const& all)
{
    constexpr double width = 800, margin = 20, row = 56, top = 16;
    double last = 0;
    for (auto const& one : all)
        last = std::max(last, 1e3 * maximum(one.wall));
    double const tick = tick_distance(std::max(last, 1e-3)), bottom = top + row * static_cast<double>(all.size());
    auto const x = [&](double milliseconds) { return margin + milliseconds / last * (width - 2 * margin); };
    auto const line = [](char const* kind, double x1, double y1, double x2, double y2) {
        return format("<line class=\"%s\" x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\"/>\n", kind, x1, y1, x2, y2);
    };
    std::string svg = format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" "
        "font-size=\"13\">\n",
        width, bottom + 44);
    svg += "<style>.grid { stroke: #ddd } .range, .box, .middle { stroke: #246 } .box { fill: #8bd } "
           ".middle { stroke-width: 2 } .outlier { fill: none; stroke: #c33 }</style>\n"
           "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
    for (int i = 0; i * tick <= last; ++i) {
        svg += line("grid", x(i * tick), top, x(i * tick), bottom);
        svg += format(
            "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"middle\">%g</text>\n", x(i * tick), bottom + 16, i * tick);
    }
    svg +=
        format("<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"middle\">wall time in ms</text>\n", width / 2, bottom + 36);
    for (double y = top; auto const& one : all) {
        box_plot const box(one.wall);
        double const left = x(1e3 * box.first_quartile), right = x(1e3 * box.third_quartile), center = y + 36;
        double const low = x(1e3 * box.low), high = x(1e3 * box.high), middle = x(1e3 * box.middle);
        svg += format("<text x=\"%.2f\" y=\"%.2f\">", margin, y + 16) + escape_xml(one.command) + "</text>\n";
        svg += line("range", low, center, high, center);
        svg += line("range", low, center - 6, low, center + 6) + line("range", high, center - 6, high, center + 6);
        svg += format(
            "<rect class=\"box\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"20\"/>\n", left, center - 10,
            right - left);
        svg += line("middle", middle, center - 10, middle, center + 10);
        for (auto const outlier : box.outliers)
            svg += format(
                "<circle class=\"outlier\" cx=\"%.2f\" cy=\"%.2f\" r=\"3\"><title>run %zu: %.3f ms</title></circle>\n",
                x(1e3 * one.wall[outlier]), center, outlier + 1, 1e3 * one.wall[outlier]);
        y += row;
    }
    return svg + "</svg>\n";
}

#endif
