// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_STACK_POOL_HPP
#define BROOD_LIB_SPAWN_STACK_POOL_HPP

#include <brood/result.hpp>

#include <cstddef>
#include <memory>

namespace brood::detail {

/// The stack of the child side. Its largest object is 1 KiB of directory entries. The pool keeps its own data above.
inline constexpr std::size_t stack_size = 32 * 1024 - 64;

/// What a child uses beside its stack.
class child_memory {
public:
    /// The child has left this process's memory. Called at most once, on any thread.
    virtual void release() noexcept = 0;

protected:
    ~child_memory() = default;
};

/// A stack with a guard page below. The destructor returns it to the pool.
class pooled_stack {
public:
    explicit pooled_stack(void* bottom) noexcept : bottom_(bottom) {}

    void* bottom() const noexcept { return bottom_.get(); }

    /// Whether a child uses the stack. The stack may be returned meanwhile: the pool does not lend it before this is 0.
    int& in_use() const noexcept;

    /// The pool releases `rest`, if it still exists, when it finds that `in_use` is 0: in a later start at the latest.
    void use_with(std::weak_ptr<child_memory> rest) noexcept;

private:
    struct give_back {
        void operator()(void* bottom) const noexcept;
    };
    std::unique_ptr<void, give_back> bottom_;
};

result<pooled_stack> borrow_stack();

} // namespace brood::detail

#endif
