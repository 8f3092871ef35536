// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_KILL_SWITCH_HPP
#define BROOD_LIB_SPAWN_KILL_SWITCH_HPP

#include <mutex>

#include <sys/types.h>

namespace brood::detail {

/// Kills the child of a launch that has not returned.
class kill_switch {
public:
    /// Called by any thread. A child that does not exist yet is killed when it is created.
    void kill() noexcept;

    /// Called after the child has been created. The caller must not reap it before `disarm`.
    void arm(pid_t pid) noexcept;
    void disarm() noexcept;

private:
    void kill_armed() noexcept;

    std::mutex mutex_;
    pid_t pid_ = 0; // 0 unless armed
    bool killed_ = false;
};

} // namespace brood::detail

#endif
