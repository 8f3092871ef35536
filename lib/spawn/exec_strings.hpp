// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_EXEC_STRINGS_HPP
#define BROOD_LIB_SPAWN_EXEC_STRINGS_HPP

#include "spawn/string_block.hpp"

#include <brood/command.hpp>

#include <optional>
#include <string>

namespace brood::detail {

/// The error of a malformed command. Makes no system call.
error_code validate(command_data const& cmd);

/// The part of `validate` that concerns strings.
error_code validate_strings(command_data const& cmd);

/// The error of a command with a terminal or a `piped()` descriptor from `first` on, whose other end would be unused.
error_code validate_parent_ends(command_data const& cmd, int first = 0);

/// The child's environment: the parent's current environment with the changes applied.
string_block capture_environment(environment const& changes);

/// The value of a variable in a block of `KEY=value` strings.
std::optional<std::string_view> find_variable(string_block const& block, std::string_view key);

/// The paths to try for a program, in order: the program itself if it contains `/`, else one per entry of the child's
/// PATH.
/**
 * Without PATH, the system's default is searched. An empty entry means the current directory. Paths that are too long
 * for the system are omitted unless no other path remains.
 */
string_block program_candidates(std::string const& program, string_block const& environment);

string_block argument_block(command_data const& cmd);

} // namespace brood::detail

#endif
