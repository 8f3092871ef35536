// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/pid_owners.hpp"

#include "os/per_process.hpp"
#include "process/child.hpp"

#include <atomic>
#include <mutex>
#include <new>
#include <unordered_map>

namespace brood::detail {
namespace {

struct owners {
    struct owner {
        child_state const* address;
        std::weak_ptr<child_state> child;
    };

    std::mutex mutex;
    std::unordered_map<pid_t, owner> by_pid;
    std::atomic<std::size_t> count = 0; // read without the lock: most processes have no such child
};

constinit os::per_process<owners> the_owners;

} // namespace

void pid_owners::claim(pid_t pid, bool has_pidfd, std::shared_ptr<child_state> const& child) noexcept
try {
    auto* const known = the_owners.find();
    if (has_pidfd && (!known || known->count == 0))
        return;
    auto& all = the_owners.get();
    std::shared_ptr<child_state> before;
    {
        std::lock_guard lock(all.mutex);
        if (auto const found = all.by_pid.find(pid); found != all.by_pid.end()) {
            before = found->second.child.lock();
            all.by_pid.erase(found);
        }
        if (!has_pidfd)
            all.by_pid.try_emplace(pid, owners::owner{child.get(), child});
        all.count = all.by_pid.size();
    }
    if (before)
        before->lose();
} catch (std::bad_alloc const&) {}

void pid_owners::leave(pid_t pid, child_state const& child) noexcept
{
    auto* const all = the_owners.find();
    if (!all || all->count == 0)
        return;
    std::lock_guard lock(all->mutex);
    if (auto const found = all->by_pid.find(pid); found != all->by_pid.end() && found->second.address == &child)
        all->by_pid.erase(found);
    all->count = all->by_pid.size();
}

} // namespace brood::detail
