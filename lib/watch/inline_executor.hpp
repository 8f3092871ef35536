// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_WATCH_INLINE_EXECUTOR_HPP
#define BROOD_LIB_WATCH_INLINE_EXECUTOR_HPP

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <memory>
#include <type_traits>
#include <utility>

namespace brood::detail {

class inline_executor;
class posting_executor;

/// A timer that calls its handlers inline.
using inline_timer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, inline_executor>;

/// Calls the reactor's handlers inline, on a thread that runs the context.
/**
 * All processes of a context share it. An executor of the application could be a strand, and a handler that holds the
 * strand would delay the notifications for all other processes.
 */
class inline_executor {
public:
    explicit inline_executor(boost::asio::execution_context& context) noexcept : context_(&context) {}

    boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept { return *context_; }

    /// The default immediate executor. From Boost 1.86 on, Asio requires one of the executor of every I/O object.
    posting_executor require(boost::asio::execution::blocking_t::never_t) const noexcept;

    template <class Function>
    void execute(Function&& function) const
    {
        std::forward<Function>(function)();
    }

    friend bool operator==(inline_executor const&, inline_executor const&) noexcept = default;

private:
    boost::asio::execution_context* context_;
};

/// Calls functions later, on a thread that runs the context, and never in `execute`.
class posting_executor {
public:
    explicit posting_executor(boost::asio::execution_context& context) noexcept : context_(&context) {}

    boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept { return *context_; }

    static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) noexcept
    {
        return boost::asio::execution::blocking.never;
    }

    // An `execution_context` has no function to post with. A timer that has already expired does the same, for every
    // context that has a reactor.
    template <class Function>
    void execute(Function&& function) const
    {
        auto expired = std::make_unique<inline_timer>(inline_executor(*context_), inline_timer::time_point());
        auto& pending = *expired;
        pending.async_wait([expired = std::move(expired), function = std::decay_t<Function>(std::forward<Function>(
                                                              function))](boost::system::error_code) mutable {
            expired.reset();
            std::move(function)();
        });
    }

    friend bool operator==(posting_executor const&, posting_executor const&) noexcept = default;

private:
    boost::asio::execution_context* context_;
};

inline posting_executor inline_executor::require(boost::asio::execution::blocking_t::never_t) const noexcept
{
    return posting_executor(*context_);
}

} // namespace brood::detail

#endif
