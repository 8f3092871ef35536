// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_INITIATE_HPP
#define BROOD_INITIATE_HPP

#include <brood/abi.hpp>
#include <brood/exit_status.hpp>
#include <brood/export.hpp>
#include <brood/result.hpp>
#include <brood/stop.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/is_executor.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

/// How the templates of child.hpp, process.hpp and output.hpp call into the library.
namespace brood {

namespace asio = boost::asio;

namespace detail {

class child_state;
using state_ptr = std::shared_ptr<child_state>;
class process_state;
using process_ptr = std::shared_ptr<process_state>;
using wait_handler = asio::any_completion_handler<void(error_code, exit_status)>;

/// The executor's default completion token; `deferred` where it has none.
template <class Executor>
using default_token = std::conditional_t<
    std::is_void_v<asio::default_completion_token_t<Executor>>, asio::deferred_t,
    asio::default_completion_token_t<Executor>>;

/// The executor that a process object gets from an executor (itself) or from an execution context (any).
template <class T>
concept executor = asio::execution::is_executor<T>::value || asio::is_executor<T>::value;

template <class T>
concept execution_context = std::convertible_to<T&, asio::execution_context&>;

// The operations own what they need. `fallback` is where they complete if there is no child.
BROOD_API void async_wait(state_ptr const&, asio::any_io_executor const& fallback, wait_handler);
BROOD_API void async_kill(state_ptr const&, asio::any_io_executor const& fallback, wait_handler);
BROOD_API void async_stop(state_ptr const&, asio::any_io_executor const& fallback, stop_plan, wait_handler);
BROOD_API void async_wait(process_ptr const&, asio::any_io_executor const& fallback, wait_handler);
BROOD_API void async_kill(process_ptr const&, asio::any_io_executor const& fallback, wait_handler);

template <class Executor, class State = state_ptr>
struct initiate_on {
    using executor_type = Executor;

    Executor executor;
    State state;

    Executor get_executor() const noexcept { return executor; }
};

template <class Executor, class State = state_ptr>
struct initiate_wait : initiate_on<Executor, State> {
    template <class Handler>
    void operator()(Handler&& handler) const
    {
        detail::async_wait(this->state, this->executor, std::forward<Handler>(handler));
    }
};

template <class Executor, class State = state_ptr>
struct initiate_kill : initiate_on<Executor, State> {
    template <class Handler>
    void operator()(Handler&& handler) const
    {
        detail::async_kill(this->state, this->executor, std::forward<Handler>(handler));
    }
};

template <class Executor>
struct initiate_stop : initiate_on<Executor> {
    template <class Handler>
    void operator()(Handler&& handler, stop_plan plan) const
    {
        detail::async_stop(this->state, this->executor, std::move(plan), std::forward<Handler>(handler));
    }
};

} // namespace detail

} // namespace brood

#endif
