// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_FORMAT_HPP
#define BROOD_FORMAT_HPP

// std::format for the library's types: `std::format("{}: {:>20}", cmd, status)`. Not part of <brood.hpp>, because the
// standard library of g++ 12 has no <format>.

#include <brood/pipeline.hpp>

#include <format>
#include <sstream>
#include <string>

namespace brood::detail {

/// Formats what `operator<<` prints. The options are those of a string.
template <class T>
struct printed_formatter : std::formatter<std::string> {
    template <class Context>
    auto format(T const& value, Context& context) const
    {
        std::ostringstream text;
        text << value;
        return std::formatter<std::string>::format(text.str(), context);
    }
};

} // namespace brood::detail

template <>
struct std::formatter<brood::command> : brood::detail::printed_formatter<brood::command> {};

template <>
struct std::formatter<brood::pipeline> : brood::detail::printed_formatter<brood::pipeline> {};

template <>
struct std::formatter<brood::exit_status> : brood::detail::printed_formatter<brood::exit_status> {};

#endif
