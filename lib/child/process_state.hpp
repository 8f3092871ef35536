// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_PROCESS_STATE_HPP
#define BROOD_LIB_CHILD_PROCESS_STATE_HPP

#include "child/awaited_process.hpp"

#include <brood/process.hpp>

#include <chrono>
#include <optional>

namespace brood::detail {

/// A process that this one need not be the parent of, by its pidfd: so a signal never reaches a recycled pid. Never
/// reaps.
class process_state final : public awaited_process {
public:
    using awaited_process::awaited_process;

    /// Takes a process that was just opened. Once, before anything else.
    void adopt(pid_t pid, os::unique_fd pidfd) noexcept { take(pid, std::move(pidfd)); }

    result<exit_status> wait();
    result<void> kill();
    result<void> signal(int number);

private:
    // How long its parent has to reap it, before which the kernel does not tell its status.
    static constexpr std::chrono::milliseconds grace{250};

    bool poll_end() override;
    reap::watch_result make_watch(reap::observer_ptr told) override
    {
        return reap::watch_foreign(executor_, pidfd_, grace, std::move(told));
    }
    bool may_be_reaped_yet();

    std::optional<std::chrono::steady_clock::time_point> exit_seen_;
};

} // namespace brood::detail

#endif
