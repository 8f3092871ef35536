// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_OPTIONS_HPP
#define BROOD_BENCH_OPTIONS_HPP

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/value_semantic.hpp>

#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Numbers as a user gives them: 1,10,100.
std::vector<double> numbers(std::string const& list);

/// The path of a program built beside this one.
std::string program_beside(char const* name);

/// What every main() here does: parses the options, works, and tells what failed.
int run(int argc, char** argv, boost::program_options::options_description& all, std::function<void()> const& work);

} // namespace bench

#endif
