// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_FAULT_LINUX_SCENARIOS_HPP
#define BROOD_TEST_FAULT_LINUX_SCENARIOS_HPP

#include "fault/linux/scenario_run.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace test {

struct scenario {
    std::string name;
    scenario_run::body_type body;
    bool (*possible)();         ///< Null if the scenario is always possible.
    std::string_view condition; ///< What makes it possible.
};

/// The path of an empty cgroup for the scenarios. It outlives them.
void use_cgroup(std::string path);

std::vector<scenario> const& all_scenarios();

} // namespace test

#endif
