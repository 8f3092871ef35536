// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_CHILD_HPP
#define BROOD_CHILD_HPP

#include <brood/detail/handle.hpp>
#include <brood/detail/initiation.hpp>
#include <brood/exit_status.hpp>
#include <brood/pipe_writer.hpp>
#include <brood/resource_usage.hpp>
#include <brood/result.hpp>
#include <brood/run_options.hpp>
#include <brood/stop.hpp>
#include <brood/terminal_size.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_readable_pipe.hpp>

#include <concepts>
#include <memory>
#include <optional>
#include <utility>

#include <sys/types.h>

namespace brood {

template <class Executor>
class basic_terminal;

namespace detail {

template <class Executor>
struct rare_streams;

template <class Executor>
int release_pipe(boost::asio::basic_readable_pipe<Executor>& pipe)
{
    return pipe.is_open() ? pipe.release() : -1;
}

/// The parent's ends of a child's streams.
template <class Executor>
struct streams final : streams_base {
    explicit streams(Executor const& executor) : in(executor), out(executor), err(executor) {}

    template <class Other>
    explicit streams(streams<Other>&& other)
        : in(std::move(other.in)), out(std::move(other.out)), err(std::move(other.err))
    {
        if (other.rare_)
            rare_ =
                std::make_unique<rare_streams<Executor>>(std::move(static_cast<rare_streams<Other>&>(*other.rare_)));
    }

    bool is_open(int child_fd) const override
    {
        return child_fd == 0 ? in.is_open() : child_fd == 1 ? out.is_open() : err.is_open();
    }

    int release(int child_fd) override
    {
        return child_fd == 0 ? in.release() : release_pipe(child_fd == 1 ? out : err);
    }

    int read_end(output_stream which) override
    {
        if (which == output_stream::terminal)
            return rare_ ? rare_->read_end(which) : -1;
        auto& pipe = which == output_stream::out ? out : err;
        return pipe.is_open() ? pipe.native_handle() : -1;
    }

    void cancel_read(output_stream which) override
    {
        error_code ignored;
        if (which != output_stream::terminal)
            (which == output_stream::out ? out : err).cancel(ignored);
        else if (rare_)
            rare_->cancel_read(which);
    }

    rare_streams<Executor>& rare(Executor const& executor)
    {
        if (!rare_)
            rare_ = std::make_unique<rare_streams<Executor>>(executor);
        return static_cast<rare_streams<Executor>&>(*rare_);
    }

    basic_pipe_writer<Executor> in;
    boost::asio::basic_readable_pipe<Executor> out, err;
    std::unique_ptr<streams_base> rare_; // null for most children
};

} // namespace detail

/// A running child process. Move-only; returned by `spawn` and `async_spawn`.
/**
 * The functions of a moved-from child return errors or nothing.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: all functions may be called from several threads at once, except moving,
 * destroying, `async_output`, `async_wait_drained` and the streams.
 *
 * @par Lifetime
 * Operations own what they need: the child may be moved or destroyed while they are pending.
 *
 * If this process forks, the forked process must not use its copy of the object, except to destroy it.
 *
 * If the execution context is destroyed first, pending operations are destroyed without being invoked and the streams
 * are closed. Afterwards only the destructor, `wait`, `wait_for`, `try_wait`, `kill`, `signal`, `usage` and `id` may
 * be called.
 *
 * @par Other children
 * The library reaps only its own children. If this process is PID 1 of its namespace or a subreaper (prctl(2)), the
 * application reaps the orphans that it adopts: by their pids, because `waitpid(-1, ...)` also takes the statuses of
 * the library's children.
 */
template <class Executor = boost::asio::any_io_executor>
class basic_child {
public:
    /// The type of the executor for completion handlers that have no associated executor.
    using executor_type = Executor;

    /// The child's type on another type of executor.
    template <class Other>
    struct rebind_executor {
        using other = basic_child<Other>; ///< That type.
    };

    /// An object without a child, as after a move.
    explicit basic_child(Executor executor) : executor_(std::move(executor)) {}

    /// For the library: takes over what a spawn returned.
    basic_child(Executor executor, detail::child_owner owner) : executor_(std::move(executor)), owner_(std::move(owner))
    {}

    basic_child(basic_child const&) = delete;
    basic_child& operator=(basic_child const&) = delete;

    /// Takes over the child.
    basic_child(basic_child&& other) noexcept : executor_(other.executor_), owner_(std::move(other.owner_)) {}

    /// Replaces the child. The previous one is destroyed.
    basic_child& operator=(basic_child&& other) noexcept
    {
        executor_ = other.executor_;
        owner_ = std::move(other.owner_);
        return *this;
    }

    /// Converts a child from another type of executor. Requires <brood/spawn.hpp>.
    template <class Other>
        requires(!std::same_as<Other, Executor> && std::convertible_to<Other, Executor>)
    basic_child(basic_child<Other>&& other) : executor_(other.executor_), owner_(std::move(other.owner_))
    {
        if (!owner_ || !owner_->streams())
            return;
        auto& streams = owner_->streams();
        streams =
            std::make_unique<detail::streams<Executor>>(std::move(static_cast<detail::streams<Other>&>(*streams)));
    }

    /// Kills the child unless it has ended or is detached. The library reaps it in the background.
    /**
     * The destructor never blocks and never leaves a zombie. Pending waits complete. If the parent may not signal the
     * child (EPERM), the child runs on and is reaped when it ends.
     */
    ~basic_child() = default;

    /// The executor for completion handlers that have no associated executor.
    Executor get_executor() const noexcept { return executor_; }

    /// The process id; 0 without a child.
    /**
     * It does not change when the child ends. The system may then give the number to another process.
     */
    pid_t id() const noexcept { return owner_ ? owner_->id() : 0; }

    /// The pidfd, which becomes readable when the child ends (pidfd_open(2)). The child object owns it.
    /**
     * -1 if there is none: with the SIGCHLD watcher, after `release` and after the child has been reaped. If a
     * guard contains the child (doc/containment.md), it is the guard's: a signal sent through it would end the
     * containment.
     */
    int native_handle() const noexcept { return owner_ ? owner_->native_handle() : -1; }

    /// The write end of the child's standard input. It is open only if that is `piped()`, and may be moved from.
    basic_pipe_writer<Executor>& in() { return streams().in; }

    /// The read end of the child's standard output. It is open only if that is `piped()`, and may be moved from.
    /**
     * To read lines, call `asio::async_read_until(child.out(), asio::dynamic_buffer(text, max_size), '\n', token)`.
     * The text after the line stays in `text` for the next call. A last line without an end stays there too, with the
     * error `asio::error::eof`. A line longer than `max_size` fails with `asio::error::not_found`.
     */
    boost::asio::basic_readable_pipe<Executor>& out() { return streams().out; }

    /// The read end of the child's standard error. It is open only if that is `piped()`, and may be moved from.
    boost::asio::basic_readable_pipe<Executor>& err() { return streams().err; }

    /// The parent's end of a two-way channel. It may be moved from.
    /**
     * It is a stream socket, `asio::basic_stream_socket<Protocol, Executor>&`, that converts to
     * `asio::local::stream_protocol::socket`, whose header takes long to compile. It is open only if the child's descriptor
     * `child_fd`, above 2, is `piped()`. Requires <brood/spawn.hpp>.
     */
    auto& channel(int child_fd) { return streams().rare(executor_).channel(child_fd); }

    /// The parent's end of the child's terminal. It is open only after `command::terminal`, and may be moved from.
    /**
     * Closing it, which the destructor also does, hangs up the child (SIGHUP). Requires <brood/spawn.hpp>.
     */
    basic_terminal<Executor>& terminal() { return streams().rare(executor_).terminal; }

    /// Sets the size of the terminal's window. See `basic_terminal::resize`.
    result<void> resize_terminal(terminal_size size) { return terminal().resize(size); }

    /// Waits for the child to end, and reaps it.
    /**
     * Any number of waits may be pending at once, and a wait may start after the end; all complete with the same
     * status. A child that is stopped or continued has not ended. See waitid(2).
     *
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * `errc::status_lost` if other code in the process has reaped the child and the system no longer knows the status.
     * `no_child_process` without a child. If the resources to watch for the exit are not available
     * (`too_many_files_open`, `not_enough_memory`, ...), the wait fails and can be retried.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. The wait completes with `asio::error::operation_aborted`; the child is not
     * affected.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_wait(CompletionToken&& token = {})
    {
        return initiate_wait(std::forward<CompletionToken>(token), [](auto& child, auto handler) {
            child.async_wait(std::move(handler));
        });
    }

    /// Waits as `async_wait` does, but not longer than `time`. Then it fails with `errc::timed_out`.
    /**
     * The child is not affected.
     *
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * Those of `async_wait`; `errc::timed_out`.
     *
     * @par Per-Operation Cancellation
     * As `async_wait`.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_wait_for(duration time, CompletionToken&& token = {})
    {
        return initiate_wait(std::forward<CompletionToken>(token), [time](auto& child, auto handler) {
            child.async_wait_for(time, std::move(handler));
        });
    }

    /// Waits as `async_wait` does, then until no process can write to `out()`, `err()` and `terminal()`, but not longer
    /// than `grace`.
    /**
     * A descendant that holds a copy of a stream, such as a daemon, keeps it open after the child's end: reading to the
     * end of file would wait for that descendant. This operation runs beside the reading. When `grace` has expired, it
     * cancels the operations that read the streams at that moment, and those that write to `terminal()`; they complete
     * with `asio::error::operation_aborted`. The streams stay open, and a later read waits again.
     *
     * @code
     * using namespace boost::asio::experimental::awaitable_operators;
     * co_await (read_lines(child.out()) && child.async_wait_drained(1s, asio::use_awaitable));
     * @endcode
     *
     * Streams that are closed or were moved away are not waited for. The operation uses the streams on the child's
     * executor.
     *
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * Those of `async_wait`; `errc::output_incomplete` with the status of the child if `grace` has expired.
     *
     * @par Per-Operation Cancellation
     * As `async_wait`.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_wait_drained(duration grace, CompletionToken&& token = {})
    {
        return initiate_wait(std::forward<CompletionToken>(token), [grace](auto& child, auto handler) {
            child.async_wait_drained(grace, std::move(handler));
        });
    }

    /// The same with a grace of one second.
    template <class CompletionToken = detail::default_token<Executor>>
        requires(!std::convertible_to<CompletionToken, duration>)
    auto async_wait_drained(CompletionToken&& token = {})
    {
        return async_wait_drained(std::chrono::seconds(1), std::forward<CompletionToken>(token));
    }

    /// Sends SIGKILL, then waits as `async_wait` does.
    /**
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * Those of `async_wait`, and those of the signal: `operation_not_permitted` if the parent may not signal the child
     * (kill(2)).
     *
     * @par Per-Operation Cancellation
     * As `async_wait`. The signal has been sent by then.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_kill(CompletionToken&& token = {})
    {
        return initiate_wait(std::forward<CompletionToken>(token), [](auto& child, auto handler) {
            child.async_kill(std::move(handler));
        });
    }

    /// Follows a stop plan until the child has ended. After the plan's last step the child receives SIGKILL.
    /**
     * The signals go to the process group that the child leads (`command::process_group`, `session` or `terminal`),
     * else to the child alone. The operation completes as soon as the child has been reaped.
     *
     * @par Completion Signature
     * @code void(error_code, exit_status) @endcode
     *
     * @par Errors
     * Those of `async_kill`; `invalid_argument` if the plan contains an invalid signal number.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. The plan ends: no further signal is sent. The operation completes with
     * `asio::error::operation_aborted`.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_stop(stop_plan plan = {}, CompletionToken&& token = {})
    {
        return initiate_wait(
            std::forward<CompletionToken>(token), [plan = std::move(plan)](auto& child, auto handler) mutable {
                child.async_stop(std::move(plan), std::move(handler));
            });
    }

    /// Stops the child with the default plan.
    template <class CompletionToken>
        requires(!std::convertible_to<CompletionToken, stop_plan>)
    auto async_stop(CompletionToken&& token) { return async_stop(stop_plan(), std::forward<CompletionToken>(token)); }

    /// Feeds and captures a child that already runs, and waits for its end. See `brood::async_output`.
    /**
     * The operation takes the streams `in()`, `out()` and `err()` that are open. If `output_options::input` is not set,
     * it closes the standard input. What has been read from the streams before is not part of the output.
     * `output::elapsed` is measured from the call.
     *
     * @par Completion Signature
     * @code void(error_code, output) @endcode
     *
     * @par Errors
     * Those of `brood::async_output`. `invalid_argument` if an option needs a stream that is not open; the child then
     * runs on. `no_child_process` without a child.
     *
     * @par Per-Operation Cancellation
     * As `brood::async_output`: the child is stopped.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_output(output_options options, CompletionToken&& token = {})
    {
        return detail::initiate<void(error_code, output)>(
            executor_, std::forward<CompletionToken>(token),
            [executor = executor_, child = owner_.get(), options = std::move(options)](auto&& handler) mutable {
                detail::standard_ends ends;
                auto const error = child ? take_standard_ends(*child, options, ends) : detail::no_child();
                detail::async_output(
                    executor, std::move(child), ends, std::move(options), error,
                    std::forward<decltype(handler)>(handler));
            });
    }

    /// Captures the output with the default options.
    template <detail::not_output_options CompletionToken = detail::default_token<Executor>>
    auto async_output(CompletionToken&& token = {})
    {
        return async_output(output_options(), std::forward<CompletionToken>(token));
    }

    /// Does not compile, and says why: the options come before the completion token.
    template <detail::not_output_options CompletionToken>
    auto async_output(CompletionToken&&, output_options)
    {
        return detail::options_after_token<CompletionToken>();
    }

    /// Blocks until the child has ended, and reaps it. Errors as `async_wait`. Pending waits complete, too.
    result<exit_status> wait()
    {
        if (!owner_)
            return detail::no_child();
        return owner_->wait();
    }

    /// Blocks until the child has ended, but not longer than `time`. Returns the status if it has. Errors as
    /// `async_wait`.
    result<std::optional<exit_status>> wait_for(duration time)
    {
        if (!owner_)
            return detail::no_child();
        return owner_->wait_for(time);
    }

    /// Returns the status if the child has ended, without waiting for that. Errors as `async_wait`.
    result<std::optional<exit_status>> try_wait()
    {
        if (!owner_)
            return detail::no_child();
        return owner_->try_wait();
    }

    /// Sends SIGKILL. Succeeds without effect if the child has ended.
    result<void> kill()
    {
        if (!owner_)
            return detail::no_process();
        return owner_->kill();
    }

    /// Sends SIGKILL to the child and to those of its descendants that can be identified.
    /**
     * With `command::contained`, everything that the child has started is killed.
     *
     * With `command::cgroup`, every process in that cgroup and below it is killed in one step (Linux 5.14), even after
     * the child's end. This includes processes that other programs put there, so use one cgroup per child.
     *
     * SIGKILL is also sent to the process group that the child leads (`command::process_group`, `session` or
     * `terminal`). Descendants that have created their own group or session, such as daemons and the jobs of a shell,
     * are not reached. Without a cgroup and a group, the child alone is killed.
     *
     * After the child has been reaped, its group id may belong to other processes. Without containment and a cgroup the
     * call then reaches nothing and fails with `no_such_process`. The library reaps only the child; descendants are
     * reaped by their own parents, by init, or by this process if it is a subreaper (PR_SET_CHILD_SUBREAPER, prctl(2)).
     */
    result<void> kill_tree()
    {
        if (!owner_)
            return detail::no_process();
        return owner_->kill_tree();
    }

    /// Sends a signal; 0 only checks that the child has not ended. See kill(2).
    /**
     * The signal never reaches another process that has the same pid. Errors: `no_such_process` after the end, whatever
     * the number; otherwise `invalid_argument` for an invalid number.
     */
    result<void> signal(int number)
    {
        if (!owner_)
            return detail::no_process();
        return owner_->signal(number);
    }

    /// Sends a signal to the process group that the child leads, else to the child alone. Errors as `signal`.
    /**
     * The child receives it even if it has left the group. Descendants that have left the group are not reached. After
     * the child's end no process is reached.
     */
    result<void> signal_group(int number)
    {
        if (!owner_)
            return detail::no_process();
        return owner_->signal_group(number);
    }

    /// The resources that the child used, after it has been reaped. Empty if its status was lost.
    std::optional<resource_usage> usage() const { return owner_ ? owner_->usage() : std::nullopt; }

    /// What the child and everything that it has started have used so far. Empty if the child has no cgroup of its own.
    /**
     * `command::contained` and `command::cgroup(scope)` create one. For a stage of `pipeline::contained`, all stages
     * are counted.
     */
    std::optional<brood::tree_usage> tree_usage() const { return owner_ ? owner_->tree_usage() : std::nullopt; }

    /// Detaches the child. The destructor no longer kills it; the library still reaps it.
    /**
     * The destructor still closes the streams that were not moved away. If the child then writes to its pipe, it
     * receives SIGPIPE; if it reads, it reads end of file.
     */
    void detach() noexcept
    {
        if (owner_)
            owner_->detach();
    }

    /// Gives the pidfd away. The caller closes it. Returns -1 if there is none, as `native_handle` does.
    /**
     * Waits, pending ones too, are notified by SIGCHLD afterwards. The library still reaps the child.
     */
    int release() { return owner_ ? owner_->release() : -1; }

private:
    template <class>
    friend class basic_child;

    detail::streams<Executor>& streams()
    {
        if (!owner_ && !closed_)
            closed_ = detail::create_streams_slot(executor_);
        auto& streams = owner_ ? owner_->streams() : *closed_;
        if (!streams)
            streams = std::make_unique<detail::streams<Executor>>(executor_);
        return static_cast<detail::streams<Executor>&>(*streams);
    }

    static error_code
    take_standard_ends(detail::child_interface& child, output_options const& options, detail::standard_ends& ends)
    {
        auto* const from = child.streams().get(); // may be those of another executor: the child may have been converted
        auto const is_open = [from](int child_fd) { return from && from->is_open(child_fd); };
        auto const error = detail::validate(options, is_open(0), is_open(1), is_open(2));
        if (from && !error.failed())
            ends = {from->release(0), from->release(1), from->release(2)};
        return error;
    }

    template <class CompletionToken, class Start>
    auto initiate_wait(CompletionToken&& token, Start start)
    {
        return detail::initiate<void(error_code, exit_status)>(
            executor_, std::forward<CompletionToken>(token),
            [child = owner_.get(), executor = executor_, start = std::move(start)](auto&& handler) mutable {
                detail::start_wait(
                    child, executor, detail::no_child(), std::forward<decltype(handler)>(handler), std::move(start));
            });
    }

    Executor executor_;
    detail::child_owner owner_;
    detail::streams_slot closed_; // the streams of an object without a child
};

/// A child on any executor.
using child = basic_child<>;

} // namespace brood

#endif
