// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_SIGNAL_HPP
#define BROOD_SIGNAL_HPP

#include <brood/export.hpp>

#include <string_view>

namespace brood {

/// The name of a signal, such as "SIGKILL"; empty where the platform has no such signal. See signal(7).
BROOD_API std::string_view signal_name(int signal) noexcept;

} // namespace brood

#endif
