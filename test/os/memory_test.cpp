// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/memory.hpp"
#include "support/system.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace os = brood::os;

namespace {

/// Memory without resident pages.
class fresh_memory {
public:
    fresh_memory() = default;
    ~fresh_memory() { ::munmap(start_, size); }

    fresh_memory(fresh_memory const&) = delete;
    fresh_memory& operator=(fresh_memory const&) = delete;

    char* data() const { return static_cast<char*>(start_); }

    std::ptrdiff_t resident_pages() const { return resident_pages(&::mincore); }

    static std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

    static constexpr std::size_t size = 1024 * 1024;

private:
    // The types of the parameters depend on the system.
    template <class Address, class Flags>
    std::ptrdiff_t resident_pages(int (*mincore)(Address, std::size_t, Flags*)) const
    {
        std::vector<Flags> pages(size / page());
        REQUIRE(mincore(start_, size, pages.data()) == 0);
        return std::count_if(pages.begin(), pages.end(), [](Flags flags) { return (flags & 1) != 0; });
    }

    void* start_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
};

bool can_provide()
{
#ifdef MADV_POPULATE_WRITE
    fresh_memory const memory;
    return ::madvise(memory.data(), memory.page(), MADV_POPULATE_WRITE) == 0; // Linux 5.14
#else
    return false;
#endif
}

} // namespace

TEST_SUITE_BEGIN("memory");

TEST_CASE("populate_pages: pages are resident before the first access" * doctest::skip(!can_provide()))
{
    fresh_memory const memory;
    REQUIRE(memory.resident_pages() == 0);
    os::populate_pages(memory.data() + 1, memory.size - 1);
    CHECK(memory.resident_pages() == static_cast<std::ptrdiff_t>(memory.size / memory.page()));
}

TEST_CASE("populate_pages: keeps the content")
{
    fresh_memory const memory;
    std::fill_n(memory.data(), memory.size, 'x');
    os::populate_pages(memory.data() + 100, memory.size - 200);
    CHECK(std::count(memory.data(), memory.data() + memory.size, 'x') == static_cast<std::ptrdiff_t>(memory.size));
}

TEST_CASE("populate_pages: ignores a single page" * doctest::skip(!can_provide()))
{
    fresh_memory const memory;
    os::populate_pages(memory.data(), memory.page());
    CHECK(memory.resident_pages() == 0);
}

TEST_CASE("locks_new_memory: is true after mlockall with MCL_FUTURE")
{
    CHECK_FALSE(os::locks_new_memory());
    pid_t const pid = ::fork();
    if (pid == 0)
        ::_exit(!test::system::lock_new_memory() || os::locks_new_memory() ? 0 : 1);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
}

TEST_SUITE_END();
