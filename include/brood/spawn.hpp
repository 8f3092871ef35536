// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_SPAWN_HPP
#define BROOD_SPAWN_HPP

#include <brood/child.hpp>
#include <brood/command.hpp>
#include <brood/streams.hpp>

#include <boost/asio/associator.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <type_traits>
#include <utility>

namespace brood {

namespace detail {

struct launch_ticket;
class spawn_op;
using spawn_handler = asio::any_completion_handler<void(error_code, child_handle)>;

/// A checked command with all its descriptors open, ready to become a child.
class BROOD_API prepared_spawn {
public:
    static result<prepared_spawn> make(asio::any_io_executor const& executor, command const& cmd);

    prepared_spawn(prepared_spawn&&) noexcept;
    ~prepared_spawn();

    /// The parent's end of a pipe or a channel, which is the caller's from now on; -1 where there is none.
    int take_parent_end(int child_fd) noexcept;

    /// The same of the terminal.
    int take_terminal() noexcept;

    /// Keeps what the command borrows of descriptors: their owner may close them before the start.
    error_code keep_borrowed();

    /// Has a child that was to lead a process group join another one's.
    void join_group(pid_t leader) noexcept;

    /// Makes the child, which keeps the streams. Only once.
    result<child_handle> start(std::unique_ptr<streams_base> streams);

    /// The same without waiting for its program. Only once. The operation is for those that may kill the child before.
    std::weak_ptr<spawn_op>
    async_start(asio::any_io_executor const& executor, std::unique_ptr<streams_base> streams, spawn_handler handler);

private:
    explicit prepared_spawn(std::unique_ptr<launch_ticket>) noexcept;

    std::unique_ptr<launch_ticket> ticket_;
};

BROOD_API void fail_spawn(asio::any_io_executor const& executor, error_code why, spawn_handler handler);
BROOD_API void close_descriptor(int fd) noexcept;

/// Hands a descriptor over; a socket wants its protocol with it.
template <class Stream, class... Protocol>
error_code assign_end(spawn_stage stage, Stream& stream, int fd, Protocol const&... protocol)
{
    error_code ec;
    stream.assign(protocol..., fd, ec);
    if (!ec.failed())
        return {};
    close_descriptor(fd);
    return make_error_code(stage, ec.value());
}

template <class Executor>
error_code assign_pipe(streams<Executor>& ends, Executor const& executor, prepared_spawn& prepared, int child_fd)
{
    auto const stage = spawn_stage::pipe;
    switch (child_fd) {
    case 0: return assign_end(stage, ends.in, prepared.take_parent_end(0));
    case 1: return assign_end(stage, ends.out, prepared.take_parent_end(1));
    case 2: return assign_end(stage, ends.err, prepared.take_parent_end(2));
    default: {
        auto& channel = ends.further(executor).channel(child_fd);
        return assign_end(stage, channel, prepared.take_parent_end(child_fd), asio::local::stream_protocol());
    }
    }
}

template <class Executor>
error_code assign_all(streams<Executor>& ends, Executor const& executor, prepared_spawn& prepared, command const& cmd)
{
    for (auto const& [child_fd, io] : cmd.data().descriptors)
        if (io.from() == stdio::source::piped)
            if (auto ec = assign_pipe(ends, executor, prepared, child_fd); ec.failed())
                return ec;
    if (!cmd.data().terminal)
        return {};
    auto& terminal = ends.further(executor).terminal;
    return assign_end(spawn_stage::terminal, terminal, prepared.take_terminal());
}

/// Whether the parent keeps an end of a descriptor from `first` on.
inline bool has_pipes(command_data const& cmd, int first = 0)
{
    return std::any_of(cmd.descriptors.lower_bound(first), cmd.descriptors.end(), [](auto const& mapped) {
        return mapped.second.from() == stdio::source::piped;
    });
}

/// The error of what has no use for a terminal, or for the parent's ends from `first` on.
inline error_code refuse_parent_ends(command_data const& cmd, int first = 0)
{
    if (cmd.terminal)
        return make_error_code(spawn_stage::terminal, EINVAL);
    return has_pipes(cmd, first) ? make_error_code(spawn_stage::stdio, EINVAL) : error_code();
}

/// What a spawn needs before there is a child: nothing that can fail comes after that.
template <class Executor>
struct spawn_parts {
    prepared_spawn prepared;
    std::unique_ptr<streams<Executor>> ends; // null where the parent has none
};

template <class Executor>
result<spawn_parts<Executor>> prepare(Executor const& executor, command const& cmd)
{
    auto prepared = prepared_spawn::make(executor, cmd);
    if (!prepared)
        return prepared.error();
    std::unique_ptr<streams<Executor>> ends;
    if (cmd.data().terminal || has_pipes(cmd.data())) {
        try {
            ends = std::make_unique<streams<Executor>>(executor);
            if (auto ec = assign_all(*ends, executor, prepared.value(), cmd); ec.failed())
                return ec;
        } catch (boost::system::system_error const& failed) { // the context's reactor, made on first use
            return make_error_code(spawn_stage::pipe, failed.code().value());
        }
    }
    return spawn_parts<Executor>{std::move(prepared).value(), std::move(ends)};
}

template <class Executor>
result<basic_child<Executor>> spawn_on(Executor const& executor, command const& cmd)
{
    auto parts = prepare(executor, cmd);
    if (!parts)
        return parts.error();
    auto handle = parts.value().prepared.start(std::move(parts.value().ends));
    if (!handle)
        return handle.error();
    return basic_child<Executor>(executor, std::move(handle).value());
}

/// Gives a handler the child that it wants.
template <class Executor, class Handler>
struct child_handler {
    Executor executor;
    Handler handler;

    void operator()(error_code ec, child_handle made)
    {
        std::move(handler)(ec, basic_child<Executor>(std::move(executor), std::move(made)));
    }
};

template <class Executor>
struct initiate_spawn {
    using executor_type = Executor;

    Executor executor;

    Executor get_executor() const noexcept { return executor; }

    template <class Handler>
    void operator()(Handler&& handler, command const& cmd) const
    {
        spawn_handler then(child_handler<Executor, std::decay_t<Handler>>{executor, std::forward<Handler>(handler)});
        auto parts = prepare(executor, cmd);
        if (!parts)
            return fail_spawn(executor, parts.error(), std::move(then));
        parts.value().prepared.async_start(executor, std::move(parts.value().ends), std::move(then));
    }
};

} // namespace detail

/// Starts a child.
/**
 * Returns once its program runs, or has failed to: a failure leaves nothing behind, neither a child, a descriptor
 * nor a changed signal mask. The calling thread is held for that time.
 *
 * @par Errors
 * An error_code that tells the stage (`stage_of`) beside the system's errno; an `errc` for a malformed command;
 * `not_supported` where the platform or a forced backend can't do what the command asks.
 *
 * @par Thread safety
 * May be called from any number of threads at once.
 */
template <detail::executor Executor>
result<basic_child<Executor>> spawn(Executor const& executor, command const& cmd)
{
    return detail::spawn_on(executor, cmd);
}

/// The same on the executor of an execution context.
template <detail::execution_context ExecutionContext>
result<child> spawn(ExecutionContext& context, command const& cmd)
{
    return detail::spawn_on<asio::any_io_executor>(context.get_executor(), cmd);
}

/// Starts a child without holding the calling thread while the child sets itself up and executes its program.
/**
 * It completes once the program runs, or has failed to; until then other work goes on in the event loop. What the
 * command says is checked, and files that it names are opened, before this returns. `spawn` is the cheaper one where
 * the thread has nothing else to do.
 *
 * The child takes its last steps in this process's memory, or a thread of the library's own makes it: where the
 * system refuses such a child, for the `fork` and `posix_spawn` backends, `pre_exec` and changes of credentials.
 * That thread is a copy of the calling one in all that a child inherits from a thread. With `parent_death_signal`,
 * which asks for this very thread, such a spawn holds it; so does one that no thread can be had for.
 *
 * @par Completion Signature
 * @code void(error_code, basic_child<Executor>) @endcode
 * With an error there is no child, as after a move.
 *
 * @par Errors
 * Those of `spawn`.
 *
 * @par Per-Operation Cancellation
 * `terminal`, `partial` and `total`. The child is killed; the operation ends with `asio::error::operation_aborted`
 * when it has been reaped.
 *
 * @par Lifetime
 * The operation owns what it needs. Where the event loop is destroyed first, the child is killed, and reaped in the
 * background.
 */
template <detail::executor Executor, class CompletionToken = detail::default_token<Executor>>
auto async_spawn(Executor const& executor, command cmd, CompletionToken&& token = {})
{
    return asio::async_initiate<CompletionToken, void(error_code, basic_child<Executor>)>(
        detail::initiate_spawn<Executor>{executor}, token, std::move(cmd));
}

/// The same on the executor of an execution context.
template <detail::execution_context ExecutionContext, class CompletionToken = asio::deferred_t>
auto async_spawn(ExecutionContext& context, command cmd, CompletionToken&& token = {})
{
    return brood::async_spawn(
        asio::any_io_executor(context.get_executor()), std::move(cmd), std::forward<CompletionToken>(token));
}

/// Replaces this process by the command's program (execve(2)). Returns only on failure.
/**
 * What the command asks for is done in this process; after a failure part of it may have been. `piped()`
 * streams and a terminal have nobody at their other end: `invalid_argument`. `backend` and `reaper` mean nothing here.
 */
BROOD_API error_code exec(command const& cmd);

} // namespace brood

template <template <class, class> class Associator, class Executor, class Handler, class Default>
struct boost::asio::associator<Associator, brood::detail::child_handler<Executor, Handler>, Default>
    : Associator<Handler, Default> {
    static auto get(brood::detail::child_handler<Executor, Handler> const& h) noexcept
    {
        return Associator<Handler, Default>::get(h.handler);
    }

    static auto get(brood::detail::child_handler<Executor, Handler> const& h, Default const& fallback) noexcept
    {
        return Associator<Handler, Default>::get(h.handler, fallback);
    }
};

#endif
