// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_AS_RESULT_HPP
#define BROOD_AS_RESULT_HPP

#include <brood/detail/wrapped_handler.hpp>
#include <brood/result.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <type_traits>
#include <utility>

namespace brood {

/// A completion token that combines `error_code` and value into one `result`. Returned by `as_result(token)`.
template <class CompletionToken>
struct as_result_t {
    CompletionToken token; ///< The token that receives the `result`.
};

/// The type of `as_result`.
struct partial_as_result {
    /// Adapts a token.
    template <class CompletionToken>
    constexpr auto operator()(CompletionToken&& token) const
    {
        return as_result_t<std::decay_t<CompletionToken>>{std::forward<CompletionToken>(token)};
    }
};

/// Adapts a completion token: `as_result(token)`. Used as a token, it means `as_result(asio::deferred)`.
/**
 * The signature `void(error_code, T)` becomes `void(result<T>)`, and `void(error_code)` becomes `void(result<void>)`:
 * `result<exit_status> r = co_await child.async_wait(as_result);`
 *
 * The handler's associated executor, allocator and cancellation slot are kept.
 */
inline constexpr partial_as_result as_result;

namespace detail {

/// Calls a handler with a `result`.
struct to_result {
    template <class Handler>
    void operator()(Handler&& handler, error_code ec) const
    {
        std::forward<Handler>(handler)(ec.failed() ? result<void>(ec) : result<void>(boost::outcome_v2::success()));
    }

    template <class Handler, class T>
    void operator()(Handler&& handler, error_code ec, T value) const
    {
        std::forward<Handler>(handler)(ec.failed() ? result<T>(ec) : result<T>(std::move(value)));
    }
};

template <class Signature>
struct as_result_signature;

template <class R>
struct as_result_signature<R(error_code)> {
    using type = R(result<void>);
};

template <class R, class T>
struct as_result_signature<R(error_code, T)> {
    using type = R(result<std::decay_t<T>>);
};

template <class Initiation>
concept has_executor = requires(Initiation const& initiation)
{
    typename Initiation::executor_type;
    initiation.get_executor();
};

template <class Initiation>
struct wrapped_initiation {
    Initiation initiation;
};

/// Tokens such as `asio::cancel_after` take the executor of the operation from its initiation.
template <has_executor Initiation>
struct wrapped_initiation<Initiation> {
    using executor_type = typename Initiation::executor_type;

    Initiation initiation;

    executor_type get_executor() const noexcept { return initiation.get_executor(); }
};

template <class Initiation>
struct as_result_initiation : wrapped_initiation<Initiation> {
    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) &&
    {
        std::move(this->initiation)(
            detail::wrap_handler(std::forward<Handler>(handler), to_result()), std::forward<Args>(args)...);
    }

    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) const&
    {
        auto copy = this->initiation;
        std::move(copy)(detail::wrap_handler(std::forward<Handler>(handler), to_result()), std::forward<Args>(args)...);
    }
};

} // namespace detail

} // namespace brood

template <class CompletionToken, class Signature>
struct boost::asio::async_result<brood::as_result_t<CompletionToken>, Signature> {
    using adapted = typename brood::detail::as_result_signature<Signature>::type;

    template <class Initiation, class Token, class... Args>
    static auto initiate(Initiation&& initiation, Token&& token, Args&&... args)
    {
        // The inner token keeps the outer one's const and reference qualifiers.
        using inner = decltype((std::forward<Token>(token).token));
        return boost::asio::async_initiate<inner, adapted>(
            brood::detail::as_result_initiation<std::decay_t<Initiation>>{{std::forward<Initiation>(initiation)}},
            token.token, std::forward<Args>(args)...);
    }
};

template <class Signature>
struct boost::asio::async_result<brood::partial_as_result, Signature>
    : boost::asio::async_result<brood::as_result_t<boost::asio::deferred_t>, Signature> {
    using base = boost::asio::async_result<brood::as_result_t<boost::asio::deferred_t>, Signature>;

    template <class Initiation, class... Args>
    static auto initiate(Initiation&& initiation, brood::partial_as_result, Args&&... args)
    {
        return base::initiate(
            std::forward<Initiation>(initiation), brood::as_result(boost::asio::deferred), std::forward<Args>(args)...);
    }
};

#endif
