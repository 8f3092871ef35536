// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: ignoring return
#include <brood/child.hpp>

void end(brood::child& child) { child.kill(); }
