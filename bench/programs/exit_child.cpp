// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Exits at once. A static program without a C library: its own cost is small compared with the parent's.
#include "syscall.hpp"

extern "C" [[noreturn]] void _start()
{
    for (;;)
        child::syscall(child::exit_group);
}
