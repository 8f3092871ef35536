// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CONTAIN_GUARD_LINK_HPP
#define BROOD_LIB_CONTAIN_GUARD_LINK_HPP

#include "os/fork.hpp"
#include "os/process.hpp"
#include "os/unique_fd.hpp"

#include <atomic>
#include <memory>
#include <optional>

namespace brood::detail {

struct guard_report;
struct plan;

/// The parent's connection with the guard of a contained program: see contain/guard.hpp.
/**
 * The guard lives as long as this process and this object, or until `end` or the program's end.
 */
class guard_link {
public:
    /// The guard's end is above every descriptor that the plan sets up.
    static result<std::shared_ptr<guard_link>> create(plan const& p);

    int guard_end() const noexcept { return guard_end_.get(); }

    /// Called after the guard has been created.
    void close_guard_end() noexcept { guard_end_.reset(); }

    /// Receives the program's pid. Called after the program has been executed. Never blocks. If `end` has been called, the
    /// guard may have ended before it started the program: this is not an error.
    error_code receive_start() noexcept;

    /// The program. Its pid is 0 before it has been received.
    os::child_id program() const noexcept { return {pid_, pidfd_.get()}; }
    pid_t pid() const noexcept { return pid_; }

    /// Makes the guard kill the program and all its descendants. Never blocks.
    void end() noexcept;

    /// How the program has ended, if the guard has reported it. Closes the connection.
    std::optional<guard_report> finish() noexcept;

private:
    os::private_fd parent_end_, guard_end_;
    std::atomic<bool> ending_ = false; // another thread may kill the child while it is being started
    pid_t pid_ = 0;
    os::unique_fd pidfd_;
};

} // namespace brood::detail

#endif
