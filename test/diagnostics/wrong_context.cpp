// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: no matching function
#include <brood/spawn.hpp>

auto start() { return brood::spawn(42, brood::command("true")); }
