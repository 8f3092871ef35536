// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_ENVIRON_HPP
#define BROOD_LIB_OS_ENVIRON_HPP

#include <string>

namespace brood::os {

/// The environment block of this process; null after clearenv(3). Read it with environment_mutex() locked.
char const* const* environment_block() noexcept;

/// The search path for a process that has no PATH (confstr(3), _CS_PATH).
std::string default_path();

} // namespace brood::os

#endif
