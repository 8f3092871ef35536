// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_MEMORY_HPP
#define BROOD_LIB_OS_MEMORY_HPP

#include <brood/result.hpp>

#include <cstddef>

namespace brood::os {

/// Maps memory for a stack, with a guard page below. Returns the lowest usable address.
result<void*> map_stack(std::size_t size) noexcept;

/// Maps a page that a forked process sees filled with zeros. Null if the system does not support that.
void* map_wiped_on_fork() noexcept;

/// Populates memory that is about to be written. One call costs less than a page fault for each page.
/**
 * This is only a hint. Does nothing for small sizes or if the system does not support it.
 */
void populate_pages(void* memory, std::size_t size) noexcept;

/// Whether new memory is locked, and so populated, at once (mlockall(2) with MCL_FUTURE).
bool locks_new_memory() noexcept;

} // namespace brood::os

#endif
