// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "touched_memory.hpp"

#include <cerrno>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

namespace bench {

touched_memory::touched_memory(std::size_t size)
    : start_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), size_(size)
{
    if (start_ == MAP_FAILED)
        throw std::system_error(errno, std::generic_category(), "mmap");
    // A large heap consists of small pages. With huge pages fork(2) would copy much smaller page tables.
    ::madvise(start_, size_, MADV_NOHUGEPAGE);
    auto const page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    for (std::size_t offset = 0; offset < size_; offset += page)
        static_cast<char volatile*>(start_)[offset] = 1;
}

touched_memory::~touched_memory() { ::munmap(start_, size_); }

} // namespace bench
