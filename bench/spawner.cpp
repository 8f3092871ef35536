// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawner.hpp"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <stdexcept>

namespace bench {

std::vector<spawner_kind>& spawner_kinds()
{
    static std::vector<spawner_kind> kinds;
    return kinds;
}

std::vector<spawner_kind> find_spawner_kinds(std::string const& names)
{
    auto const& kinds = spawner_kinds();
    std::vector<spawner_kind> found;
    std::istringstream list(names);
    for (std::string name; std::getline(list, name, ',');)
        if (auto const kind = std::ranges::find(kinds, name, &spawner_kind::name); kind != kinds.end())
            found.push_back(*kind);
        else
            std::fprintf(stderr, "spawner not built or unknown: %s\n", name.c_str());
    if (found.empty())
        throw std::runtime_error("no spawner to measure");
    return found;
}

} // namespace bench
