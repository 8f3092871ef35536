// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: brood: a text is needed here; std::to_string converts a number
#include <brood/command.hpp>

brood::command wait_long() { return brood::command("sleep").arg(5); }
