// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_KILL_SWITCH_HPP
#define BROOD_LIB_SPAWN_KILL_SWITCH_HPP

#include "contain/guard_link.hpp"
#include "spawn/child_side.hpp"

#include <mutex>

#include <sys/types.h>

namespace brood::detail {

/// Kills the child of a launch that has not returned, and the process group that it leads.
class kill_switch {
public:
    explicit kill_switch(bool leads_group) noexcept : leads_group_(leads_group) {}

    /// Called by any thread. A child that does not exist yet is killed when it is created.
    void kill() noexcept;

    /// Called after the child has been created, by its parent.
    void arm(pid_t pid) noexcept;

    /// Called by the parent before it reaps the child or returns it.
    void disarm() noexcept;

    /// Called before the guard of a contained program exists. The guard then kills the child.
    void kill_by(std::shared_ptr<guard_link> guard) noexcept;

    /// For a child that shares the memory. It announces its pid, and ends itself if `killed` is set by then.
    early_death child_view() noexcept { return {&pid_, &killed_}; }

private:
    bool const leads_group_;
    std::mutex mutex_; // guards the use of the pid: the launch does not reap it meanwhile
    pid_t pid_ = 0;    // both are also used by the child
    std::shared_ptr<guard_link> guard_;
    bool killed_ = false;
};

} // namespace brood::detail

#endif
