// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_FD_SETUP_HPP
#define BROOD_LIB_SPAWN_FD_SETUP_HPP

#include "spawn/plan.hpp"

namespace brood::detail {

/// The error of a command that borrows a closed descriptor. Called before the library opens others, which may get the
/// number.
error_code check_borrowed_fds(command_data const& cmd);

/// The same for the controlling terminal, which must be one.
error_code check_controlling_terminal(command_data const& cmd);

/// Whether a path of the command, other than the program, leads to a descriptor of the parent.
bool names_descriptor(command_data const& cmd);

/// Opens the descriptors that the command maps, and adds the steps that set them up in the child and close the rest.
error_code add_descriptors(plan& p, detail::command_data const& cmd);

/// Replaces borrowed descriptors by duplicates: their owner may close them before the plan is carried out.
error_code dup_borrowed_fds(plan& p);

/// The same for a command whose plan is made later. Returns the duplicates, which must exist until then.
result<std::vector<os::private_fd>> dup_borrowed_fds(command& cmd);

} // namespace brood::detail

#endif
