// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/pid_owners.hpp"

#include "os/per_process.hpp"
#include "watch/watch.hpp"

#include <cstddef>
#include <mutex>
#include <new>
#include <unordered_map>

namespace brood::detail {
namespace {

struct owners {
    std::mutex mutex;
    std::unordered_map<pid_t, lost_flag> by_pid;
    std::atomic<std::size_t> count = 0; // read without the lock: most processes have no such child
};

constinit os::per_process<owners> the_owners;

// Needs no memory.
void lose(owners& all, pid_t pid) noexcept
{
    {
        std::lock_guard lock(all.mutex);
        auto const found = all.by_pid.find(pid);
        if (found == all.by_pid.end())
            return;
        found->second->store(true);
        all.by_pid.erase(found);
        all.count = all.by_pid.size();
    }
    notify_sigchld_watch(pid);
}

} // namespace

lost_flag pid_owners::claim(pid_t pid, bool has_pidfd) noexcept
{
    if (auto* const known = the_owners.find(); known && known->count != 0)
        lose(*known, pid);
    return has_pidfd ? nullptr : add(pid);
}

lost_flag pid_owners::add(pid_t pid) noexcept
try {
    auto& all = the_owners.get();
    std::lock_guard lock(all.mutex);
    auto own = std::make_shared<std::atomic<bool>>(false);
    own->store(!all.by_pid.try_emplace(pid, own).second);
    all.count = all.by_pid.size();
    return own;
} catch (std::bad_alloc const&) {
    return nullptr;
}

void pid_owners::leave(pid_t pid, lost_flag const& flag) noexcept
{
    auto* const all = the_owners.find();
    if (!flag || !all)
        return;
    std::lock_guard lock(all->mutex);
    if (auto const found = all->by_pid.find(pid); found != all->by_pid.end() && found->second == flag)
        all->by_pid.erase(found);
    all->count = all->by_pid.size();
}

} // namespace brood::detail
