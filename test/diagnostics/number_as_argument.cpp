// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: brood: the arguments of a command are texts
#include <brood/command.hpp>

brood::command wait_long() { return brood::command("sleep", 5); }
