// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_OPTIONS_HPP
#define BROOD_BENCH_OPTIONS_HPP

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/value_semantic.hpp>

#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Parses a comma-separated list of numbers, such as 1,10,100.
std::vector<double> parse_numbers(std::string const& list);

/// The path of a program in the directory of the running program.
std::string path_of_program(char const* name);

/// The body of every main(): parses the options, calls `work`, and prints errors. Returns the exit code.
int run_main(
    int argc, char** argv, boost::program_options::options_description& description, std::function<void()> const& work);

} // namespace bench

#endif
