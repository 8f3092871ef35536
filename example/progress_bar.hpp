// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_PROGRESS_BAR_HPP
#define BROOD_EXAMPLE_PROGRESS_BAR_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

/// For example ", 2.5/s, 1:05 left".
inline std::string rate_and_time_left(std::size_t done, std::size_t total, double seconds)
{
    if (done == 0)
        return {};
    auto const rate = static_cast<double>(done) / seconds;
    auto const left = std::lround(static_cast<double>(total - done) / rate);
    char text[60];
    std::snprintf(text, sizeof text, ", %.1f/s, %ld:%02ld left", rate, left / 60, left % 60);
    return text;
}

/// A status line on standard error. Used only if standard error is a terminal.
class progress_bar {
public:
    progress_bar() = default;
    progress_bar(progress_bar const&) = delete;
    progress_bar& operator=(progress_bar const&) = delete;
    ~progress_bar() { clear(); }

    /// Draws a bar, the percentage and a text. If `total` is 0, draws only the text.
    void draw(std::size_t done, std::size_t total, std::string text)
    {
        winsize size{};
        bool const known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
        std::size_t const room = known ? size.ws_col - 1 : 79;
        std::string line;
        if (total > 0) {
            done = std::min(done, total);
            text = "] " + std::to_string(100 * done / total) + "%, " + text;
            auto const others = 1 + text.size();
            auto const width = std::clamp(room, others + 10, others + 40) - others;
            line = '[' + std::string(width * done / total, '#');
            line.resize(1 + width, '.');
        }
        // A line that wraps cannot be cleared.
        std::cerr << '\r' + (line + text).substr(0, room) + "\x1b[K";
        drawn_ = true;
    }

    void clear()
    {
        if (std::exchange(drawn_, false))
            std::cerr << "\r\x1b[K";
    }

private:
    bool drawn_ = false;
};

#endif
