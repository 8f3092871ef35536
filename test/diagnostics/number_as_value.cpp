// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: brood: a text is needed here; std::to_string converts a number
#include <brood/command.hpp>

#include <map>
#include <string>

brood::command list(std::map<std::string, int> const& variables) { return brood::command("env").env(variables); }
