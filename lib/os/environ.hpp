// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_ENVIRON_HPP
#define BROOD_LIB_OS_ENVIRON_HPP

#include <string>

namespace brood::os {

/// The process's environment block; null where clearenv(3) left none. Read it under environment_mutex().
char const* const* environment_block() noexcept;

/// The PATH of a process that has none, as confstr(3) tells.
std::string default_path();

} // namespace brood::os

#endif
