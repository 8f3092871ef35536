// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Lives until it is killed, or until the benchmark that started it is gone, however that came.
#include "calls.hpp"

extern "C" [[noreturn]] void _start()
{
    child::call(child::prctl, 1 /* PR_SET_PDEATHSIG */, 9 /* SIGKILL */);
    for (;;)
        child::call(child::ppoll);
}
