// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_FUZZ_REPORT_HPP
#define BROOD_TEST_FUZZ_REPORT_HPP

#include <string>
#include <vector>

#include <unistd.h>

namespace test::fuzz {

/// Reads what a child reports.
inline std::string read_to_end(int fd)
{
    std::string content;
    char buffer[65536];
    for (ssize_t size; (size = ::read(fd, buffer, sizeof buffer)) > 0;)
        content.append(buffer, static_cast<std::size_t>(size));
    return content;
}

/// The strings of a report, each with a NUL behind it.
inline std::vector<std::string> split_strings(std::string const& report)
{
    std::vector<std::string> all;
    for (std::size_t at = 0, end; (end = report.find('\0', at)) != report.npos; at = end + 1)
        all.push_back(report.substr(at, end - at));
    return all;
}

} // namespace test::fuzz

#endif
