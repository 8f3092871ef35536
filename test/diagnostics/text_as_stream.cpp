// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: no matching (member )?function for call to .*out
#include <brood/command.hpp>

brood::command list() { return brood::command("ls").out("files"); }
