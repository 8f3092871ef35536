// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_SHORTAGE_HPP
#define BROOD_LIB_OS_SHORTAGE_HPP

#include <cerrno>

namespace brood::os {

/// Whether an errno reports that descriptors or memory have run out. Such an error says nothing about what the system
/// supports.
constexpr bool is_shortage(int error) noexcept { return error == EMFILE || error == ENFILE || error == ENOMEM; }

} // namespace brood::os

#endif
