// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_SPAWN_HPP
#define BROOD_SPAWN_HPP

#include <brood/child.hpp>
#include <brood/command.hpp>
#include <brood/detail/export.hpp>
#include <brood/detail/initiation.hpp>
#include <brood/detail/prepared_spawn.hpp>
#include <brood/detail/wrapped_handler.hpp>

#include <memory>
#include <utility>

namespace brood {

namespace detail {

template <class Executor>
result<basic_child<Executor>> spawn_on(Executor const& executor, command const& cmd)
{
    auto prepared = prepare_spawn(executor, cmd);
    if (!prepared)
        return prepared.error();
    auto streams = assign_streams(executor, *prepared.value(), cmd.data());
    if (!streams)
        return streams.error();
    auto owner = start_spawn(std::move(prepared).value(), std::move(streams).value());
    if (!owner)
        return owner.error();
    return basic_child<Executor>(executor, std::move(owner).value());
}

template <class Executor>
void async_spawn_on(Executor const& executor, command const& cmd, spawn_handler handler)
{
    auto prepared = prepare_spawn(executor, cmd);
    std::unique_ptr<streams_base> ends;
    if (prepared) {
        auto streams = assign_streams(executor, *prepared.value(), cmd.data());
        if (streams)
            ends = std::move(streams).value();
        else
            prepared = streams.error();
    }
    async_start_spawn(executor, std::move(prepared), std::move(ends), std::move(handler));
}

} // namespace detail

/// Starts a child. The first argument is an executor or an execution context.
/**
 * It returns after the program has been executed or the spawn has failed, and blocks the calling thread until then.
 * A failed spawn leaves no child, no descriptor and no changed signal mask.
 *
 * @par Errors
 * An error with the stage that failed (`stage_of`) and the errno; an `errc` for a malformed command; `not_supported`
 * if the platform or the required backend does not support the command.
 *
 * @par Thread safety
 * May be called from any number of threads at once.
 */
template <detail::executor_or_context Source>
result<basic_child<detail::executor_for<Source>>> spawn(Source&& source, command const& cmd)
{
    return detail::spawn_on(detail::get_executor(source), cmd);
}

/// Starts a child without blocking the calling thread. The first argument is an executor or an execution context.
/**
 * The operation completes after the program has been executed or the spawn has failed. The command is validated, and
 * the files that it names are opened, before the initiating function returns. `spawn` is cheaper if the thread has no
 * other work.
 *
 * The child runs the steps before exec in this process's memory, or a thread of the library spawns it. The thread is
 * used if the system does not support such a child, for the backends `fork` and `posix_spawn`, and for `pre_exec`. The
 * child has all attributes of the calling thread that a child inherits. If the thread would
 * be needed but cannot be created, or the command sets `parent_death_signal`, which refers to the calling thread, the
 * initiating function blocks.
 *
 * Attributes of this process that the child inherits, such as its credentials, must not change before the operation has
 * completed: a program that drops its privileges waits for that first.
 *
 * @par Completion Signature
 * @code void(error_code, basic_child<Executor>) @endcode
 * With an error, the child is an object without a child.
 *
 * @par Errors
 * Those of `spawn`.
 *
 * @par Per-Operation Cancellation
 * `terminal`, `partial` and `total`. The child is killed. The operation completes with
 * `asio::error::operation_aborted` after it has been reaped. With `posix_spawn`, the child is killed when its program
 * runs.
 *
 * @par Lifetime
 * The operation owns what it needs. If the execution context is destroyed first, the child is killed and reaped in the
 * background.
 */
template <
    detail::executor_or_context Source, class CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_spawn(Source&& source, command cmd, CompletionToken&& token = {})
{
    using executor_type = detail::executor_for<Source>;
    executor_type const executor = detail::get_executor(source);
    return detail::initiate<void(error_code, basic_child<executor_type>)>(
        executor, std::forward<CompletionToken>(token), [executor, cmd = std::move(cmd)](auto&& handler) {
            auto to_child = [executor](auto&& wrapped, error_code ec, detail::child_owner owner) {
                std::move(wrapped)(ec, basic_child<executor_type>(executor, std::move(owner)));
            };
            detail::async_spawn_on(
                executor, cmd, detail::wrap_handler(std::forward<decltype(handler)>(handler), std::move(to_child)));
        });
}

/// Replaces this process by the command's program (execve(2)). Returns only on failure.
/**
 * The attributes of the command are applied to this process. If the directory or the program does not exist, nothing
 * has been applied. After another failure, the signal mask and dispositions, the working directory, the umask,
 * FD_CLOEXEC of the unmapped descriptors, and the inheritable and ambient capabilities are restored. What cannot be
 * undone remains: mapped descriptors, session, process group, root directory, limits, nice value, affinity and
 * credentials, which change for all threads. A `piped()` stream and a terminal fail with `errc::unexpected_pipe`.
 * `backend` and `watcher` are ignored.
 */
BROOD_API error_code exec(command const& cmd);

} // namespace brood

#endif
