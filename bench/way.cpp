// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "way.hpp"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <stdexcept>

namespace bench {

std::vector<kind>& kinds()
{
    static std::vector<kind> all;
    return all;
}

std::vector<kind> find_kinds(std::string const& names)
{
    std::vector<kind> found;
    std::istringstream list(names);
    for (std::string name; std::getline(list, name, ',');)
        if (auto const one = std::ranges::find(kinds(), name, &kind::name); one != kinds().end())
            found.push_back(*one);
        else
            std::fprintf(stderr, "not built, or not known: %s\n", name.c_str());
    if (found.empty())
        throw std::runtime_error("nothing to measure");
    return found;
}

} // namespace bench
