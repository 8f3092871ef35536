// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_RELAY_PARCEL_HPP
#define BROOD_LIB_SPAWN_RELAY_PARCEL_HPP

#include "contain/watchdog.hpp"
#include "spawn/child_side.hpp"

/// What the library and the relay exchange. See spawn/relay.hpp.
namespace brood::detail {

/// The header of the steps in the relay's file. Pointers in the steps and the candidates are offsets from it.
struct relay_parcel {
    int exec_pipe;            ///< See `start_async_launch`. -1: none.
    unsigned count;           ///< The number of steps, which follow. The last one executes the program.
    int link;                 ///< The guard's end of its connection with the parent. -1: no guard is needed.
    pid_t parent;             ///< The process that starts the guard or the watchdog.
    watchdog_task watchdog{}; ///< Without a link, there is none to be. Otherwise there are no steps.
};

constexpr long relay_parcel_offset = 1 << 16; ///< Its position in the file: a multiple of any page size.

} // namespace brood::detail

#endif
