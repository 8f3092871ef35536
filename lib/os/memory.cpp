// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/memory.hpp"

#include "os/process.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace brood::os {

result<void*> map_stack(std::size_t size) noexcept
{
    auto const guard = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* memory = ::mmap(nullptr, guard + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return last_error();
    void* bottom = static_cast<char*>(memory) + guard;
    if (::mprotect(bottom, size, PROT_READ | PROT_WRITE) < 0) {
        auto const error = last_error();
        ::munmap(memory, guard + size);
        return error;
    }
    return bottom;
}

} // namespace brood::os
