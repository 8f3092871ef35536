// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_PROCESS_HPP
#define BROOD_PROCESS_HPP

#include <brood/detail/export.hpp>
#include <brood/detail/handle.hpp>
#include <brood/detail/initiation.hpp>

#include <concepts>
#include <optional>
#include <utility>

#include <sys/types.h>

namespace brood {

namespace detail {

BROOD_API result<process_ptr> open_process(boost::asio::any_io_executor const& executor, pid_t pid);

} // namespace detail

/// A process that need not be a child of this process. Move-only; returned by `open_process`.
/**
 * The library never reaps it, and the destructor does not affect it. The functions of a moved-from object return
 * `no_such_process` or nothing.
 *
 * The exit status of a process is available to its parent. For a child of this process it is reported until the child
 * has been reaped. For any other process, Linux 6.15 reports it after its parent has reaped it: a wait allows a quarter
 * of a second for that, then completes with `errc::status_lost`. On older kernels the wait completes with
 * `errc::status_lost` at once.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: all functions but moving and destroying may be called from several threads at
 * once.
 *
 * @par Lifetime
 * Operations own what they need: the object may be moved or destroyed while they are pending. If the execution context
 * is destroyed first, they are destroyed without being invoked.
 */
template <class Executor = boost::asio::any_io_executor>
class basic_process {
public:
    /// The type of the executor for completion handlers that have no associated executor.
    using executor_type = Executor;

    /// The process's type on another type of executor.
    template <class Other>
    struct rebind_executor {
        using other = basic_process<Other>; ///< That type.
    };

    /// For the library: takes over what `open_process` returned.
    basic_process(Executor executor, detail::process_ptr process)
        : executor_(std::move(executor)), process_(std::move(process))
    {}

    basic_process(basic_process const&) = delete;
    basic_process& operator=(basic_process const&) = delete;

    /// Takes over the process.
    basic_process(basic_process&& other) noexcept : executor_(other.executor_), process_(std::move(other.process_)) {}

    /// Takes over another process.
    basic_process& operator=(basic_process&& other) noexcept
    {
        executor_ = other.executor_;
        process_ = std::move(other.process_);
        return *this;
    }

    /// Converts a process from another type of executor.
    template <class Other>
        requires(!std::same_as<Other, Executor> && std::convertible_to<Other, Executor>)
    basic_process(basic_process<Other>&& other) : executor_(other.executor_), process_(std::move(other.process_)) {}

    /// Does not affect the process. Pending waits continue.
    ~basic_process() = default;

    /// The executor for completion handlers that have no associated executor.
    Executor get_executor() const noexcept { return executor_; }

    /// The process id; 0 after a move. After the process's end, the system may give the number to another process.
    pid_t id() const noexcept { return process_ ? process_->id() : 0; }

    /// The pidfd, which becomes readable when the process ends (pidfd_open(2)). This object owns it.
    /**
     * -1 after a wait has seen the end.
     */
    int native_handle() const noexcept { return process_ ? process_->native_handle() : -1; }

    /// Waits for the process to end.
    /**
     * Any number of waits may be pending at once, and a wait may start after the end; all complete with the same
     * status.
     *
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * `errc::status_lost` if the process has ended but the system does not report its status.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. The wait completes with `asio::error::operation_aborted`.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_wait(CompletionToken&& token = {})
    {
        return initiate_wait(std::forward<CompletionToken>(token), [](auto& process, auto handler) {
            process.async_wait(std::move(handler));
        });
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
        return initiate_wait(std::forward<CompletionToken>(token), [](auto& process, auto handler) {
            process.async_kill(std::move(handler));
        });
    }

    /// Blocks until the process has ended. Errors as `async_wait`.
    result<exit_status> wait()
    {
        if (!process_)
            return detail::no_process();
        return process_->wait();
    }

    /// Returns the status if the process has ended and the status is available. Never blocks. Errors as `async_wait`.
    result<std::optional<exit_status>> try_wait()
    {
        if (!process_)
            return detail::no_process();
        return process_->try_wait();
    }

    /// Sends SIGKILL. Succeeds without effect if the process has ended. Other errors as `signal`.
    result<void> kill()
    {
        if (!process_)
            return detail::no_process();
        return process_->kill();
    }

    /// Sends a signal; 0 only checks that the process has not ended (pidfd_send_signal(2)).
    /**
     * The signal never reaches another process that has the same pid. Errors: `no_such_process` after the end,
     * `operation_not_permitted` if this process may not signal the other one, `invalid_argument` for an invalid number.
     */
    result<void> signal(int number)
    {
        if (!process_)
            return detail::no_process();
        return process_->signal(number);
    }

private:
    template <class>
    friend class basic_process;

    template <class CompletionToken, class Start>
    auto initiate_wait(CompletionToken&& token, Start start)
    {
        return detail::initiate<void(error_code, exit_status)>(
            executor_, std::forward<CompletionToken>(token),
            [process = process_, executor = executor_, start](auto&& handler) {
                detail::start_wait(
                    process, executor, detail::no_process(), std::forward<decltype(handler)>(handler), start);
            });
    }

    Executor executor_;
    detail::process_ptr process_;
};

/// A process on any executor.
using process = basic_process<>;

/// Opens a process by its pid. The first argument is an executor or an execution context.
/**
 * A pid identifies the process that has it at the moment of the call. Only a parent can be sure which process that is,
 * and only until it has reaped it. After the call, the object always refers to the same process. A child of this
 * process may be opened, too; it is not reaped.
 *
 * @par Errors
 * `no_such_process` if no process has the pid; `invalid_argument` if the pid is not positive or identifies a thread;
 * `not_supported` if the system has no pidfds (before Linux 5.4).
 */
template <detail::executor_or_context Source>
result<basic_process<detail::executor_for<Source>>> open_process(Source&& source, pid_t pid)
{
    auto const executor = detail::get_executor(source);
    auto opened = detail::open_process(executor, pid);
    if (!opened)
        return opened.error();
    return basic_process<detail::executor_for<Source>>(executor, std::move(opened).value());
}

} // namespace brood

#endif
