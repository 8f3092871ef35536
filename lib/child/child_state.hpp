// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_CHILD_STATE_HPP
#define BROOD_LIB_CHILD_CHILD_STATE_HPP

#include "child/awaited_process.hpp"

#include <atomic>

namespace brood::detail {

/// Where a child was put: what its descendants are found by.
struct child_place {
    bool own_group = false; ///< It leads a process group.
    os::unique_fd cgroup;   ///< The folder of the cgroup that it was born in, if it was to be.
};

/// One child. The only code that reaps, and the only code that signals children: both under one lock, so that a
/// signal never reaches a recycled pid, and two waits never race for one status.
/**
 * It is shared by the child object and by pending operations. When the last of them lets go of a child that has
 * not been reaped, the child goes to the background loop.
 */
class child_state final : public awaited_process {
public:
    using awaited_process::awaited_process;
    ~child_state() override;

    /// Takes a child that was just made. Once, before anything else.
    void adopt(pid_t pid, os::unique_fd pidfd) noexcept { take(pid, std::move(pidfd)); }

    /// Takes what comes with a child whose program runs; `just_now`: has been seen to start by the calling thread.
    void equip(child_place place, std::unique_ptr<streams_base> streams, bool just_now) noexcept;

    /// Keeps memory that the child uses for as long as it may, which is until its end, or until another call.
    void lend(std::shared_ptr<void> memory) noexcept;

    result<exit_status> wait();
    result<void> kill();
    result<void> kill_tree();
    result<void> signal(int number);
    result<void> signal_group(int number);
    std::optional<resource_usage> usage() const;

    /// Signals the child's own group where it has one, else the child.
    result<void> signal_widely(int number) { return place_.own_group ? signal_group(number) : signal(number); }

    void detach() noexcept;
    /// The child object is gone.
    void drop() noexcept;
    void context_gone() noexcept override;

    std::unique_ptr<streams_base> streams;

private:
    bool poll_end() override;
    reap::watch_result make_watch(reap::observer_ptr told) override
    {
        return reap::watch_child(executor_, id_.pid, pidfd_, std::move(told));
    }
    result<void> send(int number, bool to_group);
    result<void> kill_unreaped();

    child_place place_;
    std::shared_ptr<void> lent_;
    std::atomic<bool> blocking_wait_ = false; // one thread is in waitid, so nobody reaps: its pid must stay the child's
    bool detached_ = false;
    std::atomic<bool> killed_ = false;
    std::optional<resource_usage> usage_;
};

} // namespace brood::detail

#endif
