// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/memory.hpp"

#include "os/process.hpp"

#include <cstdint>

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

void* map_wiped_on_fork() noexcept
{
#ifdef MADV_WIPEONFORK
    auto const size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return nullptr;
    if (::madvise(memory, size, MADV_WIPEONFORK) == 0)
        return memory;
    ::munmap(memory, size);
#endif
    return nullptr;
}

void populate_pages(void* memory, std::size_t size) noexcept
{
#ifdef MADV_POPULATE_WRITE
    if (size < std::size_t{64} << 10)
        return;
    auto const page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    auto const first = reinterpret_cast<std::uintptr_t>(memory) / page * page;
    auto const last = reinterpret_cast<std::uintptr_t>(memory) + size;
    ::madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE);
#else
    (void)memory, (void)size;
#endif
}

bool locks_new_memory() noexcept
{
    auto const page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const memory = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return true;
#ifdef __linux__
    using resident = unsigned char;
#else
    using resident = char;
#endif
    resident present = 0;
    bool const populated = ::mincore(memory, page, &present) == 0 && (present & 1) != 0;
    ::munmap(memory, page);
    return populated;
}

} // namespace brood::os
