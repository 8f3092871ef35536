// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "options.hpp"

#include <boost/program_options/parsers.hpp>
#include <boost/program_options/variables_map.hpp>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <sstream>

namespace bench {

std::vector<double> parse_numbers(std::string const& list)
{
    std::vector<double> numbers;
    std::istringstream parts(list);
    for (std::string part; std::getline(parts, part, ',');)
        numbers.push_back(std::stod(part));
    return numbers;
}

std::string path_of_program(char const* name)
{
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

int run_main(
    int argc, char** argv, boost::program_options::options_description& description, std::function<void()> const& work)
{
    try {
        description.add_options()("help", "print this help");
        boost::program_options::variables_map values;
        store(parse_command_line(argc, argv, description), values);
        notify(values);
        if (values.contains("help"))
            std::cout << description;
        else
            work();
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
        return 1;
    }
}

} // namespace bench
