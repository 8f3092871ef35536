// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_PER_PROCESS_HPP
#define BROOD_LIB_OS_PER_PROCESS_HPP

#include "os/fork.hpp"

#include <atomic>
#include <memory>

#include <sys/types.h>

namespace brood::os {

/// An object of static storage duration that belongs to the process that created it.
/**
 * A forked process gets a new object. It must not use its copy of the parent's object: that may be locked, and its
 * descriptors are the parent's. The object is never destroyed, because other threads may use it while the process
 * exits.
 */
template <class T>
class per_process {
public:
    /// Creates the object on first use. May throw what its constructor throws.
    T& get()
    {
        pid_t const self = own_pid();
        auto* known = current_.load(std::memory_order_acquire);
        while (!known || known->owner != self) {
            auto created = std::make_unique<owned>(self);
            if (current_.compare_exchange_strong(known, created.get(), std::memory_order_acq_rel))
                known = created.release();
        }
        return known->object;
    }

    /// Null if this process has no object. Async-signal-safe.
    T* find() noexcept
    {
        auto* known = current_.load(std::memory_order_acquire);
        return known && known->owner == own_pid() ? &known->object : nullptr;
    }

private:
    struct owned {
        explicit owned(pid_t pid) : owner(pid) {}

        pid_t const owner;
        T object{};
    };

    std::atomic<owned*> current_ = nullptr;
};

} // namespace brood::os

#endif
