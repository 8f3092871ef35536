// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: brood: a stream of a child is needed here
#include <brood/command.hpp>

brood::command list() { return brood::command("ls").err(1); }
