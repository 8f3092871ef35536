// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: (use of deleted function|call to deleted constructor) .*child
#include <brood/child.hpp>

brood::child copy(brood::child const& child) { return child; }
