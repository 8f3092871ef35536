// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_PROCESS_HPP
#define BROOD_PROCESS_HPP

#include <brood/initiate.hpp>

#include <optional>

#include <sys/types.h>

namespace brood {

namespace detail {

/// All of a process but what depends on its executor's type. Move-only; without a process after a move.
class BROOD_API process_handle {
public:
    static result<process_handle> open(asio::any_io_executor const& executor, pid_t pid);

    explicit process_handle(process_ptr state) noexcept : state_(std::move(state)) {}
    process_handle(process_handle&&) noexcept = default;
    process_handle& operator=(process_handle&&) noexcept = default;

    pid_t id() const noexcept;
    int native_handle() const noexcept;
    result<exit_status> wait();
    result<std::optional<exit_status>> try_wait();
    result<void> kill();
    result<void> signal(int number);

    process_ptr const& state() const noexcept { return state_; }

private:
    process_ptr state_;
};

} // namespace detail

/// A running process that need not be a child. Move-only; made by `open`.
/**
 * It is only looked at: nothing here reaps it, and this object's end does nothing to it. A moved-from one answers
 * every call with `no_such_process` or nothing.
 *
 * How a process ended is its parent's to know. For a child of this process it is told as long as nobody has reaped
 * it. For any other, Linux 6.15 tells it once its parent has reaped it: a wait gives the parent a quarter of a
 * second for that, and completes with `errc::status_lost` after it, or at once on an older kernel.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: all but moving and destroying may run on several threads at once.
 *
 * @par Lifetime
 * Operations own what they need: the object may be moved or destroyed while they are pending. Where the event loop
 * is destroyed first, they are destroyed uninvoked.
 */
template <class Executor = asio::any_io_executor>
class basic_process {
public:
    using executor_type = Executor;

    /// The same process on another type of executor.
    template <class Other>
    struct rebind_executor {
        using other = basic_process<Other>;
    };

    /// Takes what `open` has found.
    basic_process(Executor executor, detail::process_handle handle)
        : executor_(std::move(executor)), handle_(std::move(handle))
    {}

    basic_process(basic_process&& other) noexcept : executor_(other.executor_), handle_(std::move(other.handle_)) {}

    basic_process& operator=(basic_process&& other) noexcept
    {
        executor_ = other.executor_;
        handle_ = std::move(other.handle_);
        return *this;
    }

    /// Takes a process over from another type of executor.
    template <class Other>
        requires(!std::same_as<Other, Executor> && std::convertible_to<Other, Executor>)
    basic_process(basic_process<Other>&& other) : executor_(other.executor_), handle_(std::move(other.handle_)) {}

    /// Does nothing to the process. Pending waits go on.
    ~basic_process() = default;

    /// Where operations complete that have no executor of their own.
    Executor get_executor() const noexcept { return executor_; }

    /// The process id; 0 after a move. It stays after the end, when it may name another process.
    pid_t id() const noexcept { return handle_.id(); }

    /// The pidfd, which becomes readable at the end (pidfd_open(2)); -1 once a wait has seen that. It stays ours.
    int native_handle() const noexcept { return handle_.native_handle(); }

    /// Waits for the process to end.
    /**
     * Any number may wait at once, and after the end: all get the same status.
     *
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * `errc::status_lost`: it has ended, but the system does not tell how.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. Cancelling ends the wait alone, with `asio::error::operation_aborted`.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_wait(CompletionToken&& token = {})
    {
        return asio::async_initiate<CompletionToken, void(error_code, exit_status)>(
            detail::initiate_wait<Executor, detail::process_ptr>{{executor_, handle_.state()}}, token);
    }

    /// Sends SIGKILL, then waits as `async_wait` does.
    /**
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * Those of `kill` and `async_wait`.
     *
     * @par Per-Operation Cancellation
     * As `async_wait`. The signal has been sent by then.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_kill(CompletionToken&& token = {})
    {
        return asio::async_initiate<CompletionToken, void(error_code, exit_status)>(
            detail::initiate_kill<Executor, detail::process_ptr>{{executor_, handle_.state()}}, token);
    }

    /// Blocks until the process has ended. Errors as `async_wait`.
    result<exit_status> wait() { return handle_.wait(); }

    /// The status, if it can be told; nothing while the process runs, or waits to be reaped. Errors as `async_wait`.
    result<std::optional<exit_status>> try_wait() { return handle_.try_wait(); }

    /// Sends SIGKILL; after the end it does nothing, with success. Else errors as `signal`.
    result<void> kill() { return handle_.kill(); }

    /// Sends a signal; 0 just asks (pidfd_send_signal(2)).
    /**
     * It can't reach another process that has been given the same pid. `no_such_process` after the end,
     * `operation_not_permitted` where this process may not signal that one, `invalid_argument` for a number that
     * is no signal.
     */
    result<void> signal(int number) { return handle_.signal(number); }

private:
    template <class>
    friend class basic_process;

    Executor executor_;
    detail::process_handle handle_;
};

/// A process on any executor.
using process = basic_process<>;

namespace detail {

template <class Executor>
result<basic_process<Executor>> open_on(Executor const& executor, pid_t pid)
{
    auto handle = process_handle::open(executor, pid);
    if (!handle)
        return handle.error();
    return basic_process<Executor>(executor, std::move(handle).value());
}

} // namespace detail

/// Opens a process by its pid.
/**
 * A pid names whatever process has it now: only a parent can be sure, and that until it has reaped it. What is
 * opened then stays the same process. One of this process's own children may be opened too; it is not reaped.
 *
 * @par Errors
 * `no_such_process` where there is none, `invalid_argument` for a pid that is not positive or names a mere thread,
 * `not_supported` where the system has no pidfds (before Linux 5.4).
 */
template <detail::executor Executor>
result<basic_process<Executor>> open(Executor const& executor, pid_t pid)
{
    return detail::open_on(executor, pid);
}

/// The same on the executor of an execution context.
template <detail::execution_context ExecutionContext>
result<process> open(ExecutionContext& context, pid_t pid)
{
    return detail::open_on<asio::any_io_executor>(context.get_executor(), pid);
}

} // namespace brood

#endif
