// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_OUTPUT_HPP
#define BROOD_OUTPUT_HPP

#include <brood/spawn.hpp>
#include <brood/stop.hpp>

#include <boost/asio/buffer.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace brood {

/// How a child ended, and what it wrote. A stream that was not captured is empty.
struct output {
    exit_status status;
    std::string out, err;
    bool truncated = false; ///< `output_options::limit` has cut something off.
};

/// What happens to a child that writes more than `output_options::limit`.
enum class limit_policy {
    stop_child, ///< It is stopped, and the operation fails with `errc::output_limit_exceeded`.
    discard,    ///< It goes on; what is over the limit is read and thrown away.
};

/// How `async_output` runs a child. Set what differs from the default: `output_options o; o.limit = 1 << 20;`
struct output_options {
    /// What the child reads on its standard input. The caller keeps the memory alive until the completion.
    /**
     * A child that reads only part of it has read enough: that is no error.
     */
    asio::const_buffer input;

    /// How many bytes are kept of each of the two streams. Default: no limit.
    std::size_t limit = std::numeric_limits<std::size_t>::max();

    /// What happens over the limit.
    limit_policy on_limit = limit_policy::stop_child;

    /// How long the child may take, from its start on, before it is stopped. Then comes `errc::timed_out`.
    std::optional<duration> timeout;

    /// How long the streams are read on after the child's end, for a descendant that still holds them open.
    /**
     * After that, the operation fails with `errc::output_incomplete`. What was in the pipe by then is kept.
     */
    duration drain_grace = std::chrono::seconds(1);

    /// How the child is stopped, as by `basic_child::async_stop`.
    stop_plan stop;
};

namespace detail {

using output_handler = asio::any_completion_handler<void(error_code, output)>;

BROOD_API void async_run(asio::any_io_executor const& executor, command cmd, wait_handler handler);
BROOD_API void
async_output(asio::any_io_executor const& executor, command cmd, output_options options, output_handler handler);

template <class Executor>
struct initiate_run {
    using executor_type = Executor;

    Executor executor;

    Executor get_executor() const noexcept { return executor; }

    template <class Handler>
    void operator()(Handler&& handler, command cmd) const
    {
        detail::async_run(executor, std::move(cmd), std::forward<Handler>(handler));
    }
};

template <class Executor>
struct initiate_output {
    using executor_type = Executor;

    Executor executor;

    Executor get_executor() const noexcept { return executor; }

    template <class Handler>
    void operator()(Handler&& handler, command cmd, output_options options) const
    {
        detail::async_output(executor, std::move(cmd), std::move(options), std::forward<Handler>(handler));
    }
};

template <class CompletionToken>
concept not_options = !std::convertible_to<CompletionToken, output_options>;

} // namespace detail

/// Starts a child and waits for its end. It completes only once no child is left.
/**
 * The start does not hold the calling thread, as that of `async_spawn`. A child that is stopped meanwhile has its start
 * finished, if the stop plan's time allows it, and then the plan begins; to be killed it need not run.
 *
 * A stream that is `piped()`, or a terminal, would have nobody at its other end: `invalid_argument`.
 *
 * @par Completion Signature
 * @code void(error_code, exit_status) @endcode
 *
 * @par Errors
 * Those of `spawn` and of `basic_child::async_wait`.
 *
 * @par Per-Operation Cancellation
 * `terminal`, `partial` and `total`. The first one stops the child by the default `stop_plan`, a second one kills
 * it at once. The operation then ends with `asio::error::operation_aborted` and the child's status.
 */
template <detail::executor Executor, class CompletionToken = detail::default_token<Executor>>
auto async_run(Executor const& executor, command cmd, CompletionToken&& token = {})
{
    return asio::async_initiate<CompletionToken, void(error_code, exit_status)>(
        detail::initiate_run<Executor>{executor}, token, std::move(cmd));
}

/// The same on the executor of an execution context.
template <detail::execution_context ExecutionContext, class CompletionToken = asio::deferred_t>
auto async_run(ExecutionContext& context, command cmd, CompletionToken&& token = {})
{
    return brood::async_run(
        asio::any_io_executor(context.get_executor()), std::move(cmd), std::forward<CompletionToken>(token));
}

/// Starts a child as `async_run` does, captures what it writes, and waits for its end.
/**
 * Both output streams are read at once, while the input is written. It completes only once the child has been
 * reaped and both streams have ended:
 * @code
 * brood::output_options options;
 * options.input = asio::buffer(text);
 * options.timeout = std::chrono::seconds(10);
 * brood::output sorted = co_await brood::async_output(executor, brood::command("sort"), options);
 * @endcode
 *
 * Where the command does not say otherwise, the child's standard input is `options.input`, or `null()` where that
 * is empty, and both output streams are captured. What the command sets stays as set: a stream that leads
 * elsewhere is not captured, `err(stdio::same_as(1))` captures both together in `out`, and an input other than
 * `piped()` leaves `options.input` unused. A `piped()` descriptor above 2 would have nobody at its other end:
 * `invalid_argument`.
 *
 * This process never gets a SIGPIPE from the writing of the input, whatever it does with that signal.
 *
 * @par Completion Signature
 * @code void(error_code, output) @endcode
 * What was captured, and the status, come with an error too: a token that throws or folds them away, such as
 * `use_awaitable` or `as_result`, can be wrapped in `asio::as_tuple`.
 *
 * @par Errors
 * Those of `spawn` and of `basic_child::async_wait`; `invalid_argument` for a stop plan with a number that is no
 * signal; `errc::output_limit_exceeded`, `errc::timed_out` and `errc::output_incomplete` as `output_options` tells;
 * `not_enough_memory` where the text does not fit, which stops the child. Of several, the first one to happen.
 *
 * @par Per-Operation Cancellation
 * `terminal`, `partial` and `total`. The first one stops the child by `options.stop`, a second one kills it at
 * once; that, and any after the child's end, gives up waiting for the streams. The operation then ends with
 * `asio::error::operation_aborted`, the child's status and what was captured.
 */
template <detail::executor Executor, class CompletionToken = detail::default_token<Executor>>
auto async_output(Executor const& executor, command cmd, output_options options, CompletionToken&& token = {})
{
    return asio::async_initiate<CompletionToken, void(error_code, output)>(
        detail::initiate_output<Executor>{executor}, token, std::move(cmd), std::move(options));
}

/// The same with default options.
template <detail::executor Executor, detail::not_options CompletionToken = detail::default_token<Executor>>
auto async_output(Executor const& executor, command cmd, CompletionToken&& token = {})
{
    return brood::async_output(executor, std::move(cmd), output_options(), std::forward<CompletionToken>(token));
}

/// The same on the executor of an execution context.
template <detail::execution_context ExecutionContext, class CompletionToken = asio::deferred_t>
auto async_output(ExecutionContext& context, command cmd, output_options options, CompletionToken&& token = {})
{
    return brood::async_output(
        asio::any_io_executor(context.get_executor()), std::move(cmd), std::move(options),
        std::forward<CompletionToken>(token));
}

/// The same on the executor of an execution context, with default options.
template <detail::execution_context ExecutionContext, detail::not_options CompletionToken = asio::deferred_t>
auto async_output(ExecutionContext& context, command cmd, CompletionToken&& token = {})
{
    return brood::async_output(
        asio::any_io_executor(context.get_executor()), std::move(cmd), output_options(),
        std::forward<CompletionToken>(token));
}

} // namespace brood

#endif
