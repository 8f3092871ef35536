// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/stack_pool.hpp"

#include "os/memory.hpp"

#include <mutex>

namespace brood::detail {
namespace {

// Free stacks are linked through their first words: returning one cannot fail.
struct free_stack {
    free_stack* next;
};

struct pool {
    std::mutex mutex;
    free_stack* first = nullptr;
};

// Never destroyed: a detached thread may still spawn while the program exits.
pool& the_pool() noexcept
{
    static pool& instance = *new pool;
    return instance;
}

} // namespace

void pooled_stack::give_back::operator()(void* bottom) const noexcept
{
    auto& stacks = the_pool();
    std::lock_guard lock(stacks.mutex);
    stacks.first = new (bottom) free_stack{stacks.first};
}

result<pooled_stack> borrow_stack()
{
    auto& stacks = the_pool();
    {
        std::lock_guard lock(stacks.mutex);
        if (stacks.first) {
            auto* stack = stacks.first;
            stacks.first = stack->next;
            return pooled_stack(stack);
        }
    }
    auto bottom = os::map_stack(stack_size);
    if (!bottom)
        return bottom.error();
    return pooled_stack(bottom.value());
}

} // namespace brood::detail
