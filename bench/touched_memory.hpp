// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_TOUCHED_MEMORY_HPP
#define BROOD_BENCH_TOUCHED_MEMORY_HPP

#include <cstddef>

namespace bench {

/// Memory of this process in small pages, each of which has been written to.
class touched_memory {
public:
    explicit touched_memory(std::size_t size);
    ~touched_memory();
    touched_memory(touched_memory const&) = delete;
    touched_memory& operator=(touched_memory const&) = delete;

private:
    void* start_;
    std::size_t size_;
};

} // namespace bench

#endif
