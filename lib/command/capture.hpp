// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_COMMAND_CAPTURE_HPP
#define BROOD_LIB_COMMAND_CAPTURE_HPP

#include "command/string_block.hpp"

#include <brood/command.hpp>

#include <optional>
#include <string>

namespace brood {

/// What is wrong with a command, as far as that can be told without a system call.
error_code check(detail::command_data const& cmd);

/// The child's environment: the parent's as of now, with the changes made.
string_block capture_environment(environment const& changes);

/// A variable's value in a block of `KEY=value` strings.
std::optional<std::string_view> find_variable(string_block const& block, std::string_view key);

/// The paths to try, in order, for a program: itself where it holds a `/`, else one for each entry of the child's PATH.
/**
 * Without one, the system's default is searched. An empty entry means the current directory. Paths too long for the
 * system are left out, unless none remains.
 */
string_block program_candidates(std::string const& program, string_block const& environment);

string_block argument_block(detail::command_data const& cmd);

} // namespace brood

#endif
