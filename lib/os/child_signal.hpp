// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_CHILD_SIGNAL_HPP
#define BROOD_LIB_OS_CHILD_SIGNAL_HPP

#include <brood/result.hpp>

#include <atomic>
#include <memory>
#include <span>

#include <sys/types.h>

namespace brood::os {

/// Installs the library's SIGCHLD handler, unless it is installed. The handler calls the previous one.
/**
 * If other code has replaced the handler since the last call, it is installed again and calls the replacement.
 */
result<void> ensure_child_signal_handler();

/// A pipe that becomes readable at every SIGCHLD and contains the pids of the children.
/**
 * The pids are hints. The kernel merges signals that are pending at the same time, and a pid is dropped if the pipe is
 * full.
 *
 * The pipe is never closed, because a handler on another thread may write to it at any time. It returns to a pool.
 */
class child_signal_pipe {
public:
    int read_end() const noexcept { return reading_; }

    /// Reads the oldest hints into `buffer`. A hint is a pid, or 0 if the pid is unknown.
    std::span<pid_t const> take_hints(std::span<pid_t> buffer) noexcept;

    /// Writes a hint, as the SIGCHLD handler does.
    void hint(pid_t pid) noexcept;

    struct return_to_pool {
        void operator()(child_signal_pipe* pipe) const noexcept;
    };

private:
    friend struct child_signal_pipes;
    child_signal_pipe() = default;

    int reading_ = -1;
    int writing_ = -1;
    std::atomic<bool> used_ = true;
    child_signal_pipe* next_ = nullptr;
};

using child_signal_pipe_ptr = std::unique_ptr<child_signal_pipe, child_signal_pipe::return_to_pool>;

result<child_signal_pipe_ptr> borrow_child_signal_pipe();

} // namespace brood::os

#endif
