// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Runs until it is killed or the benchmark that started it ends.
#include "syscall.hpp"

extern "C" [[noreturn]] void _start()
{
    child::syscall(child::prctl, 1 /* PR_SET_PDEATHSIG */, 9 /* SIGKILL */);
    for (;;)
        child::syscall(child::ppoll);
}
