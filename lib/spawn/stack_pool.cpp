// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/stack_pool.hpp"

#include "os/memory.hpp"
#include "os/per_process.hpp"
#include "os/raw.hpp"

#include <memory>
#include <mutex>
#include <utility>

namespace brood::detail {
namespace {

// Describes a stack. Returned stacks are linked: returning one cannot fail. It lies in the heap, where leak checkers find
// what it refers to. A word above the stack points to it.
struct header {
    void* bottom = nullptr;
    header* next = nullptr;
    int in_use = 0;
    std::weak_ptr<child_memory> rest{};
};

constexpr std::size_t mapped_size = 32 * 1024;
static_assert(stack_size % 64 == 0 && stack_size + sizeof(header*) <= mapped_size);

header*& header_of(void* bottom) noexcept
{
    return *reinterpret_cast<header**>(static_cast<char*>(bottom) + stack_size);
}

bool is_in_use(header const& stack) noexcept { return os::raw::load(stack.in_use) != 0; }

class pool {
public:
    header* take()
    {
        collect();
        std::lock_guard lock(mutex_);
        return free_ ? std::exchange(free_, free_->next) : nullptr;
    }

    void put(header& returned)
    {
        bool const is_left = !is_in_use(returned);
        if (is_left)
            if (auto const rest = std::exchange(returned.rest, {}).lock())
                rest->release();
        std::lock_guard lock(mutex_);
        if (is_left)
            returned.next = std::exchange(free_, &returned); // its memory is in the processor's cache
        else
            append(returned);
    }

private:
    // Frees what children have left. Each start adds one stack and tries a few, because some children wait for long
    // before their exec. The one that was cloned first has probably left first.
    void collect()
    {
        for (int tries = 4; tries > 0; --tries)
            if (auto* const left = take_oldest())
                put(*left);
    }

    header* take_oldest()
    {
        std::lock_guard lock(mutex_);
        if (!oldest_)
            return nullptr;
        auto* const tried = std::exchange(oldest_, oldest_->next);
        if (!is_in_use(*tried))
            return tried;
        append(*tried);
        return nullptr;
    }

    void append(header& used) noexcept
    {
        used.next = nullptr;
        (oldest_ ? newest_->next : oldest_) = &used;
        newest_ = &used;
    }

    std::mutex mutex_;
    header* free_ = nullptr;
    header* oldest_ = nullptr; // a queue of those that a child may still use
    header* newest_ = nullptr; // valid unless the queue is empty
};

constinit os::per_process<pool> the_pool;

} // namespace

// A forked copy of a stack has no pool to return to. It is not freed.
void pooled_stack::give_back::operator()(void* bottom) const noexcept
{
    if (auto* const stacks = the_pool.find())
        stacks->put(*header_of(bottom));
}

void pooled_stack::use_with(std::weak_ptr<child_memory> rest) noexcept { header_of(bottom())->rest.swap(rest); }

int& pooled_stack::in_use() const noexcept { return header_of(bottom())->in_use; }

result<pooled_stack> borrow_stack()
{
    if (auto* const stack = the_pool.get().take())
        return pooled_stack(stack->bottom);
    auto created = std::make_unique<header>();
    auto bottom = os::map_stack(mapped_size);
    if (!bottom)
        return bottom.error();
    created->bottom = bottom.value();
    header_of(bottom.value()) = created.release();
    return pooled_stack(bottom.value());
}

} // namespace brood::detail
