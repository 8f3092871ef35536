// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/context_registry.hpp"

#include "process/waitable.hpp"

#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace brood::detail {

streams_slot create_streams_slot(asio::any_io_executor const& executor)
{
    auto const slot = std::make_shared<streams_slot::element_type>();
    asio::use_service<context_registry>(asio::query(executor, asio::execution::context)).add(slot);
    return slot;
}

void context_registry::add(streams_slot const& slot)
{
    std::lock_guard lock(mutex_);
    std::erase_if(slots_, [](auto const& other) { return other.expired(); });
    slots_.push_back(slot);
}

void context_registry::add(waitable& process)
{
    std::lock_guard lock(mutex_);
    process.registry_ = this;
    process.next_ = first_;
    if (first_)
        first_->previous_ = &process;
    first_ = &process;
}

void context_registry::remove(waitable& process) noexcept
{
    std::lock_guard lock(mutex_);
    unlink(process);
}

void context_registry::reap_ended()
{
    std::vector<std::shared_ptr<waitable>> all; // a completion may destroy processes
    {
        std::lock_guard lock(mutex_);
        for (auto* process = first_; process; process = process->next_)
            if (auto shared = process->weak_from_this().lock())
                all.push_back(std::move(shared));
    }
    for (auto const& process : all)
        process->poll_assigned();
}

void context_registry::unlink(waitable& process) noexcept
{
    if (!process.registry_)
        return;
    (process.previous_ ? process.previous_->next_ : first_) = process.next_;
    if (process.next_)
        process.next_->previous_ = process.previous_;
    process.previous_ = process.next_ = nullptr;
    process.registry_ = nullptr;
}

std::vector<std::weak_ptr<streams_slot::element_type>> context_registry::take_slots()
{
    std::lock_guard lock(mutex_);
    return std::exchange(slots_, {});
}

// The notification may destroy other processes: handlers that are destroyed may own them. A process that another thread
// is destroying already needs no notification.
void context_registry::shutdown()
{
    for (auto const& weak : take_slots())
        if (auto const slot = weak.lock())
            slot->reset();
    for (;;) {
        std::shared_ptr<waitable> process;
        {
            std::lock_guard lock(mutex_);
            if (!first_)
                return;
            process = first_->weak_from_this().lock();
            unlink(*first_);
        }
        if (process)
            process->on_context_shutdown();
    }
}

} // namespace brood::detail
