// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_PROCESS_HPP
#define BROOD_LIB_PROCESS_PROCESS_HPP

#include "process/waitable.hpp"

#include <brood/process.hpp>

#include <chrono>
#include <optional>

namespace brood::detail {

/// A process that need not be a child. It is identified by its pidfd: a signal never reaches a recycled pid. It is
/// never reaped.
class process_state final : public waitable, public process_interface {
public:
    using waitable::waitable;

    pid_t id() const noexcept override { return id_of_process(); }
    int native_handle() const noexcept override { return pidfd_of_process(); }
    result<exit_status> wait() override;
    result<std::optional<exit_status>> try_wait() override { return poll(); }
    result<void> kill() override;
    result<void> signal(int number) override;
    void async_wait(wait_handler handler) override { start_wait(std::move(handler)); }
    void async_kill(wait_handler handler) override;

private:
    // How long the parent has to reap the process. The kernel reports the status only after that.
    static constexpr std::chrono::milliseconds reap_grace{250};

    bool poll_end() override;
    watch_result create_watch(observer_ptr observer) override
    {
        return watch_foreign(executor_, pidfd_, reap_grace, std::move(observer));
    }
    bool can_still_be_reaped();

    std::optional<std::chrono::steady_clock::time_point> exit_seen_;
};

} // namespace brood::detail

#endif
