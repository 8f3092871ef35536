// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_LAUNCH_TICKET_HPP
#define BROOD_LIB_CHILD_LAUNCH_TICKET_HPP

#include "child/child_state.hpp"
#include "launch/backend.hpp"

#include <memory>

namespace brood::detail {

/// What a prepared spawn is made of.
struct launch_ticket {
    std::unique_ptr<launch::plan> plan;
    state_ptr state;
    spawn_backend backend;
    launch::pidfd_wish wish;
};

} // namespace brood::detail

#endif
