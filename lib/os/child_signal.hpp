// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_CHILD_SIGNAL_HPP
#define BROOD_LIB_OS_CHILD_SIGNAL_HPP

#include <brood/result.hpp>

#include <atomic>
#include <memory>
#include <span>

#include <sys/types.h>

namespace brood::os {

/// Sees to it that the library's SIGCHLD handler is installed, and calls the one that was there before.
/**
 * Asked for again, it also wins the signal back from whoever has replaced the handler meanwhile.
 */
result<void> ensure_child_signal_handler();

/// A pipe that becomes readable at every SIGCHLD, and tells whom it was about.
/**
 * These are hints: a signal that comes while another one waits is lost, and so is one that finds the pipe full.
 *
 * A handler may still write to it on another thread at any moment, so it is never closed: it goes back to a pool.
 */
class child_signal_pipe {
public:
    int reading_end() const noexcept { return reading_; }

    /// The oldest hints, as many as there are and fit: each a pid, or 0 where a signal told none.
    std::span<pid_t const> take_hints(std::span<pid_t> room) noexcept;

    /// Makes it readable as SIGCHLD would.
    void hint(pid_t pid) noexcept;

    struct give_back {
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

using child_signal_pipe_ptr = std::unique_ptr<child_signal_pipe, child_signal_pipe::give_back>;

result<child_signal_pipe_ptr> borrow_child_signal_pipe();

} // namespace brood::os

#endif
