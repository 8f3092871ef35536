// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_MEMORY_HPP
#define BROOD_LIB_OS_MEMORY_HPP

#include <brood/result.hpp>

#include <cstddef>

namespace brood::os {

/// Maps memory for a stack, with a guard page below. Gives its lowest usable address.
result<void*> map_stack(std::size_t size) noexcept;

/// Makes the system provide memory that is written to next: one call costs less than the first touch of each page.
/**
 * A wish: where it is not granted, and for what is too small for a call of its own, the first touch does it.
 */
void provide(void* memory, std::size_t size) noexcept;

} // namespace brood::os

#endif
