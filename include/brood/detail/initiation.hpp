// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_INITIATION_HPP
#define BROOD_DETAIL_INITIATION_HPP

#include <brood/detail/abi.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/is_executor.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace brood::detail {

/// The executor's default completion token, else `deferred`.
template <class Executor>
using default_token = std::conditional_t<
    std::is_void_v<boost::asio::default_completion_token_t<Executor>>, boost::asio::deferred_t,
    boost::asio::default_completion_token_t<Executor>>;

template <class T>
concept executor = boost::asio::execution::is_executor<T>::value || boost::asio::is_executor<T>::value;

template <class T>
concept executor_or_context =
    executor<std::remove_cvref_t<T>> || std::convertible_to<T&, boost::asio::execution_context&>;

/// The type of the executor that an I/O object gets from an executor (itself) or an execution context (any).
template <executor_or_context T>
using executor_for =
    std::conditional_t<executor<std::remove_cvref_t<T>>, std::remove_cvref_t<T>, boost::asio::any_io_executor>;

/// The executor itself, or the one of the execution context.
template <executor_or_context T>
auto native_executor(T&& source)
{
    if constexpr (executor<std::remove_cvref_t<T>>)
        return source;
    else
        return source.get_executor();
}

template <executor_or_context T>
executor_for<T> get_executor(T&& source)
{
    return native_executor(source);
}

/// The function object that Asio calls with the completion handler.
template <class Executor, class Start>
class initiation {
public:
    using executor_type = Executor;

    initiation(Executor executor, Start start) : executor_(std::move(executor)), start_(std::move(start)) {}

    Executor get_executor() const noexcept { return executor_; }

    template <class Handler>
    void operator()(Handler&& handler) &&
    {
        std::move(start_)(std::forward<Handler>(handler));
    }

    template <class Handler>
    void operator()(Handler&& handler) const&
    {
        auto start = start_;
        std::move(start)(std::forward<Handler>(handler));
    }

private:
    Executor executor_;
    Start start_;
};

template <class Signature, class Token, class Initiation>
concept startable = requires(Initiation initiation, std::remove_reference_t<Token>& token)
{
    boost::asio::async_initiate<Token, Signature>(std::move(initiation), token);
};

/// Starts an asynchronous operation. `start` is called with the completion handler and owns what the operation needs.
template <class Signature, class Executor, class Token, class Start>
auto initiate(Executor const& executor, Token&& token, Start start)
{
    using initiation_type = initiation<Executor, Start>;
    if constexpr (startable<Signature, Token, initiation_type>)
        return boost::asio::async_initiate<Token, Signature>(initiation_type(executor, std::move(start)), token);
    else
        static_assert(
            startable<Signature, Token, initiation_type>,
            "brood: the completion token must be callable with the operation's completion signature");
}

/// Stops the compilation with a first error that names the mistake: the options follow the completion token.
/**
 * The return type is deduced: the compiler checks the body before it checks what the caller does with the result.
 */
template <class CompletionToken>
auto options_after_token()
{
    static_assert(std::is_void_v<CompletionToken>, "brood: the options come before the completion token");
}

} // namespace brood::detail

#endif
