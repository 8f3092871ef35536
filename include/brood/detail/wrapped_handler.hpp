// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_WRAPPED_HANDLER_HPP
#define BROOD_DETAIL_WRAPPED_HANDLER_HPP

#include <boost/asio/associator.hpp>

#include <type_traits>
#include <utility>

namespace brood::detail {

/// A completion handler that converts its arguments: it calls `convert(handler, arguments...)`.
/**
 * The associated executor, allocator and cancellation slot are those of the inner handler.
 */
template <class Handler, class Convert>
struct wrapped_handler {
    Handler handler;
    Convert convert;

    template <class... Args>
        requires std::is_invocable_v<Convert&, Handler&&, Args...>
    void operator()(Args... args) { convert(std::move(handler), std::move(args)...); }
};

template <class Handler, class Convert>
wrapped_handler<std::decay_t<Handler>, Convert> wrap_handler(Handler&& handler, Convert convert)
{
    return {std::forward<Handler>(handler), std::move(convert)};
}

} // namespace brood::detail

template <template <class, class> class Associator, class Handler, class Convert, class Default>
struct boost::asio::associator<Associator, brood::detail::wrapped_handler<Handler, Convert>, Default>
    : Associator<Handler, Default> {
    static auto get(brood::detail::wrapped_handler<Handler, Convert> const& wrapped) noexcept
    {
        return Associator<Handler, Default>::get(wrapped.handler);
    }

    static auto get(brood::detail::wrapped_handler<Handler, Convert> const& wrapped, Default const& fallback) noexcept
    {
        return Associator<Handler, Default>::get(wrapped.handler, fallback);
    }
};

#endif
