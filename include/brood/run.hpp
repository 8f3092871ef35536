// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_RUN_HPP
#define BROOD_RUN_HPP

#include <brood/command.hpp>
#include <brood/detail/export.hpp>
#include <brood/detail/handle.hpp>
#include <brood/detail/initiation.hpp>
#include <brood/run_options.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <utility>

namespace brood {

namespace detail {

BROOD_API void
async_run(boost::asio::any_io_executor const& executor, command cmd, run_options options, wait_handler handler);
BROOD_API void
async_output(boost::asio::any_io_executor const& executor, command cmd, output_options options, output_handler handler);

} // namespace detail

/// Starts a child and waits for its end. The first argument is an executor or an execution context.
/**
 * The child is started as by `async_spawn`, without blocking. The operation completes after the child has been reaped.
 * A stop during the spawn takes effect when the program runs. If the spawn takes longer than the stop plan, the child
 * is killed: at once, or with the backend `posix_spawn` when its program runs.
 *
 * A `piped()` stream and a terminal fail with `errc::unexpected_pipe`.
 *
 * @par Completion Signature
 * @code void(error_code, exit_status) @endcode
 *
 * @par Errors
 * Those of `spawn` and `basic_child::async_wait`; `errc::timed_out`; `invalid_argument` and `operation_not_permitted`
 * as for `async_output`.
 *
 * @par Per-Operation Cancellation
 * `terminal`, `partial` and `total`. The first cancellation stops the child by the stop plan, the second kills it at
 * once. The operation completes with `asio::error::operation_aborted` and the child's status.
 */
template <
    detail::executor_or_context Source, class CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_run(Source&& source, command cmd, run_options options, CompletionToken&& token = {})
{
    auto const executor = detail::get_executor(source);
    return detail::initiate<void(error_code, exit_status)>(
        executor, std::forward<CompletionToken>(token),
        [executor, cmd = std::move(cmd), options = std::move(options)](auto&& handler) mutable {
            detail::async_run(executor, std::move(cmd), std::move(options), std::forward<decltype(handler)>(handler));
        });
}

/// Starts a child and waits for its end, with the default options.
template <
    detail::executor_or_context Source,
    detail::not_run_options CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_run(Source&& source, command cmd, CompletionToken&& token = {})
{
    return brood::async_run(source, std::move(cmd), run_options(), std::forward<CompletionToken>(token));
}

/// Does not compile, and says why: the options come before the completion token.
template <detail::executor_or_context Source, detail::not_run_options CompletionToken>
auto async_run(Source&&, command, CompletionToken&&, run_options)
{
    return detail::options_after_token<CompletionToken>();
}

/// Starts a child, captures its output and waits for its end. The first argument is an executor or a context.
/**
 * Both output streams are read while the input is written. The operation completes after the child has been reaped and
 * both streams have ended.
 *
 * If the command does not set it, the standard input is `output_options::input`, or `null()` if that is empty. Output
 * streams that the command does not set are captured. `err(stdio::same_as(1))` captures both streams in `out`. A
 * `piped()` descriptor above 2 and a terminal fail with `errc::unexpected_pipe`.
 *
 * Writing the input never raises SIGPIPE in this process.
 *
 * @par Completion Signature
 * @code void(error_code, output) @endcode
 * The status and the captured output are valid with an error, too. Tokens that throw or drop the value, such as
 * `use_awaitable` and `as_result`, can be wrapped in `asio::as_tuple`.
 *
 * @par Errors
 * The first event decides: if the timeout expires before a cancellation, the error is `errc::timed_out`; if the command
 * cannot be started, it is the error of the spawn. The errors are:
 * - those of `spawn` and `basic_child::async_wait`
 * - `errc::output_limit_exceeded`, `errc::timed_out` and `errc::output_incomplete`: see `output_options`
 * - `not_enough_memory` for the captured output; the child is stopped
 * - `invalid_argument` if the stop plan contains an invalid signal number
 * - `operation_not_permitted` if this process may not signal a child that is to be stopped, such as a set-user-ID
 *   program, or another error of the signal; the child is reaped in the background when it ends
 *
 * @par Per-Operation Cancellation
 * `terminal`, `partial` and `total`. The first cancellation stops the child by the stop plan. The second one kills
 * it. It, and any cancellation after the child's end, also stops reading the streams. The operation completes with
 * `asio::error::operation_aborted`, the child's status and the captured output.
 */
template <
    detail::executor_or_context Source, class CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_output(Source&& source, command cmd, output_options options, CompletionToken&& token = {})
{
    auto const executor = detail::get_executor(source);
    return detail::initiate<void(error_code, output)>(
        executor, std::forward<CompletionToken>(token),
        [executor, cmd = std::move(cmd), options = std::move(options)](auto&& handler) mutable {
            detail::async_output(
                executor, std::move(cmd), std::move(options), std::forward<decltype(handler)>(handler));
        });
}

/// Captures the output of a child with the default options.
template <
    detail::executor_or_context Source,
    detail::not_output_options CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_output(Source&& source, command cmd, CompletionToken&& token = {})
{
    return brood::async_output(source, std::move(cmd), output_options(), std::forward<CompletionToken>(token));
}

/// Does not compile, and says why: the options come before the completion token.
template <detail::executor_or_context Source, detail::not_output_options CompletionToken>
auto async_output(Source&&, command, CompletionToken&&, output_options)
{
    return detail::options_after_token<CompletionToken>();
}

} // namespace brood

#endif
