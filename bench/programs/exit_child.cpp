// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// A static program without a C library that exits at once, so that what it costs is what its parent does.
#include "calls.hpp"

extern "C" [[noreturn]] void _start()
{
    for (;;)
        child::call(child::exit_group);
}
