// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_MEMORY_HPP
#define BROOD_LIB_OS_MEMORY_HPP

#include <brood/result.hpp>

#include <cstddef>

namespace brood::os {

/// Maps memory for a stack, with a guard page below. Gives its lowest usable address.
result<void*> map_stack(std::size_t size) noexcept;

/// Asks for large pages where a block of memory is large too, which makes its first touch cheaper. A wish.
void prefer_large_pages(void* memory, std::size_t size) noexcept;

} // namespace brood::os

#endif
