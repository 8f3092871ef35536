// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/child_registry.hpp"

#include "child/awaited_process.hpp"

namespace brood::detail {

void child_registry::add(awaited_process& child)
{
    std::lock_guard lock(mutex_);
    child.registry_ = this;
    child.next_ = first_;
    if (first_)
        first_->previous_ = &child;
    first_ = &child;
}

void child_registry::remove(awaited_process& child) noexcept
{
    std::lock_guard lock(mutex_);
    unlink(child);
}

void child_registry::unlink(awaited_process& child) noexcept
{
    if (!child.registry_)
        return;
    (child.previous_ ? child.previous_->next_ : first_) = child.next_;
    if (child.next_)
        child.next_->previous_ = child.previous_;
    child.previous_ = child.next_ = nullptr;
    child.registry_ = nullptr;
}

// Telling a child may end others: handlers that are destroyed may own them. One that is ending already, on another
// thread, need not be told.
void child_registry::shutdown()
{
    for (;;) {
        std::shared_ptr<awaited_process> child;
        {
            std::lock_guard lock(mutex_);
            if (!first_)
                return;
            child = first_->weak_from_this().lock();
            unlink(*first_);
        }
        if (child)
            child->context_gone();
    }
}

} // namespace brood::detail
