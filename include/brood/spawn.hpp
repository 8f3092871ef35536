// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_SPAWN_HPP
#define BROOD_SPAWN_HPP

#include <brood/child.hpp>
#include <brood/command.hpp>

#include <boost/system/system_error.hpp>

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

    /// The parent's end of a pipe on 0, 1 or 2, which is the caller's from now on; -1 where there is none.
    int take_parent_end(int child_fd) noexcept;

    /// Makes the child, which keeps the streams. Only once.
    result<child_handle> start(std::unique_ptr<streams_base> streams);

private:
    explicit prepared_spawn(std::unique_ptr<launch_ticket>) noexcept;

    std::unique_ptr<launch_ticket> ticket_;
};

BROOD_API void close_descriptor(int fd) noexcept;

template <class Stream>
error_code assign_end(Stream& stream, prepared_spawn& prepared, int child_fd)
{
    int const fd = prepared.take_parent_end(child_fd);
    error_code ec;
    if (fd >= 0)
        stream.assign(fd, ec);
    if (ec.failed()) {
        close_descriptor(fd);
        return make_error_code(spawn_stage::pipe, ec.value());
    }
    return {};
}

inline bool has_pipes(command const& cmd)
{
    for (int fd : {0, 1, 2})
        if (auto const found = cmd.data().descriptors.find(fd);
            found != cmd.data().descriptors.end() && found->second.from() == stdio::source::piped)
            return true;
    return false;
}

template <class Executor>
result<basic_child<Executor>> spawn_on(Executor const& executor, command const& cmd)
{
    auto prepared = prepared_spawn::make(executor, cmd);
    if (!prepared)
        return prepared.error();
    // Registered before there is a child: nothing that can fail comes after.
    std::unique_ptr<streams<Executor>> ends;
    if (has_pipes(cmd)) {
        try {
            ends = std::make_unique<streams<Executor>>(executor);
        } catch (boost::system::system_error const& failed) { // the context's reactor, made on first use
            return make_error_code(spawn_stage::pipe, failed.code().value());
        }
        for (auto ec :
             {assign_end(ends->in, prepared.value(), 0), assign_end(ends->out, prepared.value(), 1),
              assign_end(ends->err, prepared.value(), 2)})
            if (ec.failed())
                return ec;
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
 * streams have nobody at their other end: `invalid_argument`. `backend` and `reaper` mean nothing here.
 */
BROOD_API error_code exec(command const& cmd);

} // namespace brood

#endif
