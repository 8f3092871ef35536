// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: must be callable with the operation's completion signature
#include <brood/child.hpp>

void wait(brood::child& child)
{
    child.async_wait([](int) {});
}
