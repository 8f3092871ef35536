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

std::vector<double> numbers(std::string const& list)
{
    std::vector<double> all;
    std::istringstream parts(list);
    for (std::string part; std::getline(parts, part, ',');)
        all.push_back(std::stod(part));
    return all;
}

std::string program_beside(char const* name)
{
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

int run(int argc, char** argv, boost::program_options::options_description& all, std::function<void()> const& work)
{
    try {
        all.add_options()("help", "show this");
        boost::program_options::variables_map given;
        store(parse_command_line(argc, argv, all), given);
        notify(given);
        if (given.contains("help"))
            std::cout << all;
        else
            work();
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
        return 1;
    }
}

} // namespace bench
