// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_FUZZ_TARGETS_HPP
#define BROOD_TEST_FUZZ_TARGETS_HPP

#include <stdexcept>
#include <string>
#include <string_view>

/// Functions that derive a case from arbitrary bytes and compare the library with a simple model.
namespace test::fuzz {

/// The library and the model differ.
class mismatch : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

inline void expect(bool condition, std::string const& text)
{
    if (!condition)
        throw mismatch(text);
}

/// Starts a child that reports its arguments and environment.
void check_command(std::string_view bytes);

/// Carries out the descriptor steps of a plan on a copy of this process's descriptor table.
void check_fd_map(std::string_view bytes);

/// Decodes and prints wait statuses.
void check_exit_status(std::string_view bytes);

/// Passes the line of a command to every installed shell. The child reports its arguments, environment and directory.
void check_shell_line(std::string_view bytes);

struct target {
    std::string_view name; ///< Also of the folder with its corpus.
    void (*check)(std::string_view bytes);
};

constexpr target targets[] = {
    {"command", check_command},
    {"fd_map", check_fd_map},
    {"exit_status", check_exit_status},
    {"shell_line", check_shell_line},
};

} // namespace test::fuzz

#endif
