// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_OUTPUT_HPP
#define BROOD_OUTPUT_HPP

#include <brood/spawn.hpp>

namespace brood {

namespace detail {

BROOD_API void async_run(asio::any_io_executor const& executor, command cmd, wait_handler handler);

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

} // namespace detail

/// Starts a child and waits for its end. It completes only once no child is left.
/**
 * A stream that is `piped()` would have nobody at its other end: `invalid_argument`.
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

} // namespace brood

#endif
