// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_CHILD_DESCRIPTORS_HPP
#define BROOD_LIB_LAUNCH_CHILD_DESCRIPTORS_HPP

#include "launch/plan.hpp"

namespace brood::launch {

/// Opens what the command maps, and adds the steps that give it to the child and close the rest.
error_code add_descriptors(plan& p, detail::command_data const& cmd);

/// Has the steps take duplicates of what the command borrows, so that its owner may close it before the plan is run.
error_code keep_borrowed(plan& p);

} // namespace brood::launch

#endif
