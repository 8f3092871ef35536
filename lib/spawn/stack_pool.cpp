// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/stack_pool.hpp"

#include "os/memory.hpp"
#include "os/per_process.hpp"

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

constinit os::per_process<pool> the_pool;

} // namespace

// A forked copy of a stack has no pool to return to. It is not freed.
void pooled_stack::give_back::operator()(void* bottom) const noexcept
{
    auto* const stacks = the_pool.find();
    if (!stacks)
        return;
    std::lock_guard lock(stacks->mutex);
    stacks->first = new (bottom) free_stack{stacks->first};
}

result<pooled_stack> borrow_stack()
{
    auto& stacks = the_pool.get();
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
