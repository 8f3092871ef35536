// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_COUNTING_ALLOCATOR_HPP
#define BROOD_TEST_SUPPORT_COUNTING_ALLOCATOR_HPP

#include <atomic>
#include <cstddef>
#include <memory>

namespace test {

/// Counts its allocations.
template <class T>
struct counting_allocator {
    using value_type = T;

    explicit counting_allocator(std::atomic<int>& counter) : count(&counter) {}
    template <class U>
    counting_allocator(counting_allocator<U> const& other) : count(other.count)
    {}

    T* allocate(std::size_t n)
    {
        ++*count;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) { std::allocator<T>().deallocate(p, n); }

    template <class U>
    bool operator==(counting_allocator<U> const& other) const
    {
        return count == other.count;
    }

    std::atomic<int>* count;
};

} // namespace test

#endif
