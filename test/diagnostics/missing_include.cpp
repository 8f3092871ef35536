// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: spawn.*brood
#include <brood/command.hpp>

auto start(int context) { return brood::spawn(context, brood::command("true")); }
