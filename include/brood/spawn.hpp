// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_SPAWN_HPP
#define BROOD_SPAWN_HPP

#include <brood/child.hpp>
#include <brood/command.hpp>
#include <brood/streams.hpp>

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace brood {

namespace detail {

struct launch_ticket;

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

    /// Makes the child, which keeps the streams. Only once.
    result<child_handle> start(std::unique_ptr<streams_base> streams);

private:
    explicit prepared_spawn(std::unique_ptr<launch_ticket>) noexcept;

    std::unique_ptr<launch_ticket> ticket_;
};

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

template <class Executor>
result<basic_child<Executor>> spawn_on(Executor const& executor, command const& cmd)
{
    auto prepared = prepared_spawn::make(executor, cmd);
    if (!prepared)
        return prepared.error();
    // Registered before there is a child: nothing that can fail comes after.
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
    auto handle = prepared.value().start(std::move(ends));
    if (!handle)
        return handle.error();
    return basic_child<Executor>(executor, std::move(handle).value());
}

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

/// Replaces this process by the command's program (execve(2)). Returns only on failure.
/**
 * What the command asks for is done in this process; after a failure part of it may have been. `piped()`
 * streams and a terminal have nobody at their other end: `invalid_argument`. `backend` and `reaper` mean nothing here.
 */
BROOD_API error_code exec(command const& cmd);

} // namespace brood

#endif
