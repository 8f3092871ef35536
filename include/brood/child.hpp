// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_CHILD_HPP
#define BROOD_CHILD_HPP

#include <brood/exit_status.hpp>
#include <brood/export.hpp>
#include <brood/initiate.hpp>
#include <brood/resource_usage.hpp>
#include <brood/result.hpp>
#include <brood/stop.hpp>
#include <brood/terminal_size.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_readable_pipe.hpp>
#include <boost/asio/basic_writable_pipe.hpp>

#include <concepts>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <sys/types.h>

namespace brood {

namespace asio = boost::asio;

template <class Executor>
class basic_terminal;

namespace detail {

/// The parent's ends of a child's streams, whatever their executor.
struct streams_base {
    virtual ~streams_base() = default;
};

template <class Executor>
struct further_streams;

template <class Executor>
struct streams final : streams_base {
    explicit streams(Executor const& executor) : in(executor), out(executor), err(executor) {}

    template <class Other>
    explicit streams(streams<Other>&& other)
        : in(std::move(other.in)), out(std::move(other.out)), err(std::move(other.err))
    {
        if (other.kept_further)
            kept_further = std::make_unique<further_streams<Executor>>(
                std::move(static_cast<further_streams<Other>&>(*other.kept_further)));
    }

    further_streams<Executor>& further(Executor const& executor)
    {
        if (!kept_further)
            kept_further = std::make_unique<further_streams<Executor>>(executor);
        return static_cast<further_streams<Executor>&>(*kept_further);
    }

    asio::basic_writable_pipe<Executor> in;
    asio::basic_readable_pipe<Executor> out, err;
    std::unique_ptr<streams_base> kept_further; // null for most children
};

/// All of a child but what depends on its executor's type. Move-only; without a child after a move.
class BROOD_API child_handle {
public:
    child_handle() noexcept;
    explicit child_handle(state_ptr state) noexcept;
    child_handle(child_handle&&) noexcept;
    child_handle& operator=(child_handle&& other) noexcept;
    ~child_handle();

    pid_t id() const noexcept;
    int native_handle() const noexcept;
    result<exit_status> wait();
    result<std::optional<exit_status>> try_wait();
    result<void> kill();
    result<void> kill_tree();
    result<void> signal(int number);
    result<void> signal_group(int number);
    std::optional<resource_usage> usage() const;
    void detach() noexcept;

    state_ptr const& state() const noexcept { return state_; }

    /// Where the streams are kept, so that they go with their event loop if that ends first.
    std::unique_ptr<streams_base>& streams() noexcept;

private:
    state_ptr state_;
    std::unique_ptr<streams_base> closed_; // what a handle without a child has for streams
};

} // namespace detail

/// A running child process. Move-only; made by `spawn`.
/**
 * A moved-from child is no child: every call gives an error or nothing.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: `signal`, `kill`, `wait`, `try_wait` and the asynchronous operations may
 * run on several threads at once; moving, destroying and the streams need the user's care, as with any I/O object.
 *
 * @par Lifetime
 * Operations own what they need: the child may be moved or destroyed while they are pending. Where the event loop
 * is destroyed first, they are destroyed uninvoked and the streams are closed; the child can still be destroyed, and
 * what does not need the loop (`wait`, `try_wait`, `kill`, `signal`, `usage`) be called, but no other operation or stream.
 */
template <class Executor = asio::any_io_executor>
class basic_child {
public:
    using executor_type = Executor;

    /// The same child on another type of executor.
    template <class Other>
    struct rebind_executor {
        using other = basic_child<Other>;
    };

    /// No child, as after a move.
    explicit basic_child(Executor executor) : executor_(std::move(executor)) {}

    /// Takes what `spawn` has made.
    basic_child(Executor executor, detail::child_handle handle)
        : executor_(std::move(executor)), handle_(std::move(handle))
    {}

    basic_child(basic_child&& other) noexcept : executor_(other.executor_), handle_(std::move(other.handle_)) {}

    basic_child& operator=(basic_child&& other) noexcept
    {
        executor_ = other.executor_;
        handle_ = std::move(other.handle_);
        return *this;
    }

    /// Takes a child over from another type of executor. Needs <brood/streams.hpp>.
    template <class Other>
        requires(!std::same_as<Other, Executor> && std::convertible_to<Other, Executor>)
    basic_child(basic_child<Other>&& other) : executor_(other.executor_), handle_(std::move(other.handle_))
    {
        if (auto& kept = handle_.streams())
            kept = std::make_unique<detail::streams<Executor>>(std::move(static_cast<detail::streams<Other>&>(*kept)));
    }

    /// Kills a child that has neither ended nor been detached; it is reaped in the background.
    /**
     * Never blocks, and never leaves a zombie. Pending waits complete. A child that this process may not signal, since
     * it has changed its user, runs on and is reaped at its end.
     */
    ~basic_child() = default;

    /// Where operations complete that have no executor of their own.
    Executor get_executor() const noexcept { return executor_; }

    /// The process id; 0 if there is no child. It stays after the end, when it may name another process.
    pid_t id() const noexcept { return handle_.id(); }

    /// The pidfd, which becomes readable at the end (pidfd_open(2)). It stays the child's.
    /**
     * -1 where there is none: with the SIGCHLD reaper, and once the child has been reaped.
     */
    int native_handle() const noexcept { return handle_.native_handle(); }

    /// The writing end of the child's standard input; open only where that is `piped()`. May be moved from.
    asio::basic_writable_pipe<Executor>& in() { return streams().in; }

    /// The reading end of the child's standard output; open only where that is `piped()`. May be moved from.
    /**
     * Line by line, `asio::async_read_until(child.out(), asio::dynamic_buffer(text, longest), '\n', token)` reads it:
     * what follows the line stays in `text` for the next call. A last line without an end stays there too, with
     * `asio::error::eof`; a line longer than `longest` is told by `asio::error::not_found`.
     */
    asio::basic_readable_pipe<Executor>& out() { return streams().out; }

    /// The reading end of the child's standard error; open only where that is `piped()`. May be moved from.
    asio::basic_readable_pipe<Executor>& err() { return streams().err; }

    /// The parent's end of a channel: a local stream socket, which carries both ways. May be moved from.
    /**
     * An `asio::basic_stream_socket<asio::local::stream_protocol, Executor>&`; open only where that descriptor of
     * the child's, above 2, is `piped()`. Needs <brood/streams.hpp>, which <brood/spawn.hpp> includes.
     */
    auto& channel(int child_fd) { return streams().further(executor_).channel(child_fd); }

    /// The parent's end of the child's terminal; open only after `command::terminal`. May be moved from.
    /**
     * Closing it, which the end of this object does too, hangs the child up (SIGHUP). Needs <brood/streams.hpp>.
     */
    basic_terminal<Executor>& terminal() { return streams().further(executor_).terminal; }

    /// Sets the size of the terminal's window, while `terminal()` is open: see `basic_terminal::resize`.
    result<void> resize_terminal(terminal_size size) { return terminal().resize(size); }

    /// Waits for the child to end, and reaps it.
    /**
     * Any number may wait at once, and after the end: all get the same status. A child that is stopped or
     * continued has not ended. See waitid(2).
     *
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * `errc::status_lost` where another part of the process has reaped the child and the system no longer knows
     * how it ended; `no_child_process` without a child. Where the system has not what it takes to be told of the end
     * (`too_many_files_open`, `not_enough_memory` and such), the child is left alone, and may be waited for again.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. Cancelling ends the wait alone, with `asio::error::operation_aborted`;
     * the child is sent nothing.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_wait(CompletionToken&& token = {})
    {
        return asio::async_initiate<CompletionToken, void(error_code, exit_status)>(
            detail::initiate_wait<Executor>{{executor_, handle_.state()}}, token);
    }

    /// Sends SIGKILL, then waits as `async_wait` does.
    /**
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * Those of `async_wait`; `operation_not_permitted` where the child has become somebody whom the parent may not
     * signal (kill(2)).
     *
     * @par Per-Operation Cancellation
     * As `async_wait`. The signal has been sent by then.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_kill(CompletionToken&& token = {})
    {
        return asio::async_initiate<CompletionToken, void(error_code, exit_status)>(
            detail::initiate_kill<Executor>{{executor_, handle_.state()}}, token);
    }

    /// Takes the plan's steps until the child has ended; the last one is followed by SIGKILL.
    /**
     * The signals go to the child's own process group, where `command::process_group`, `session` or `terminal`
     * made one, else to the child: descendants elsewhere are for `kill_tree`. It completes as soon as the child has
     * been reaped.
     *
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * Those of `async_kill`; `invalid_argument` for a plan with a number that is no signal.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. Cancelling ends the plan where it is, with
     * `asio::error::operation_aborted`: nothing more is sent.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_stop(stop_plan plan = {}, CompletionToken&& token = {})
    {
        return asio::async_initiate<CompletionToken, void(error_code, exit_status)>(
            detail::initiate_stop<Executor>{{executor_, handle_.state()}}, token, std::move(plan));
    }

    /// The same by the default plan.
    template <class CompletionToken>
        requires(!std::convertible_to<CompletionToken, stop_plan>)
    auto async_stop(CompletionToken&& token) { return async_stop(stop_plan(), std::forward<CompletionToken>(token)); }

    /// Blocks until the child has ended, and reaps it. Other waits complete too. Errors as `async_wait`.
    result<exit_status> wait() { return handle_.wait(); }

    /// The status, if the child has ended; never blocks. Errors as `async_wait`.
    result<std::optional<exit_status>> try_wait() { return handle_.try_wait(); }

    /// Sends SIGKILL; after the end it does nothing, with success.
    result<void> kill() { return handle_.kill(); }

    /// Sends SIGKILL to the child and to its descendants, as far as they can be told.
    /**
     * With `command::cgroup`, that is everything in that cgroup and below, in one step, whoever put it there: give
     * each child a folder of its own, never the parent's. Nothing leaves a cgroup by itself, so this reaches every
     * descendant, also after the child's end. A kernel before Linux 5.14 can't; there it is as without a cgroup.
     *
     * The child's own process group gets it too, where `command::process_group`, `session` or `terminal` made one.
     * That misses descendants that made a group or session of their own, as a daemon does and as a shell does for
     * its jobs. Where there is neither, the child alone gets it. Once the child has been reaped its group's id may be
     * another's: without a cgroup, this then does nothing, with success.
     *
     * Descendants are reaped by their own parents; the ones left over by init, or by this process where that is a
     * subreaper (prctl(2), PR_SET_CHILD_SUBREAPER). Such a one must reap them itself: the library reaps nothing
     * that it did not start.
     */
    result<void> kill_tree() { return handle_.kill_tree(); }

    /// Sends a signal; 0 just asks. See kill(2).
    /**
     * It can't reach another process that has been given the same pid. `no_such_process` after the end,
     * `invalid_argument` for a number that is no signal.
     */
    result<void> signal(int number) { return handle_.signal(number); }

    /// Sends a signal to the child's own process group; to the child alone if it has none. Errors as `signal`.
    /**
     * The group is the one that `command::process_group`, `session` or `terminal` made. Descendants that have left
     * it are not reached, and after the child's end nobody is.
     */
    result<void> signal_group(int number) { return handle_.signal_group(number); }

    /// What the child has used, once it has been reaped. Nothing where its status was lost.
    std::optional<resource_usage> usage() const { return handle_.usage(); }

    /// Gives the child up: it runs on when this object ends, and is still reaped at its end.
    /**
     * The parent's ends of its pipes, channels and terminal are closed with this object, unless they have been moved
     * away: a child that writes to one of them then gets SIGPIPE, and one that reads from it the end of input.
     */
    void detach() noexcept { handle_.detach(); }

private:
    template <class>
    friend class basic_child;

    detail::streams<Executor>& streams()
    {
        auto& kept = handle_.streams();
        if (!kept)
            kept = std::make_unique<detail::streams<Executor>>(executor_);
        return static_cast<detail::streams<Executor>&>(*kept);
    }

    Executor executor_;
    detail::child_handle handle_;
};

/// A child on any executor.
using child = basic_child<>;

} // namespace brood

#endif
