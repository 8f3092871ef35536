// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: no matching (function for call to .brood::command::command|constructor for initialization of 'brood::command')
#include <brood/command.hpp>

brood::command wait_long() { return brood::command("sleep", 5); }
