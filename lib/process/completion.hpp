// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_COMPLETION_HPP
#define BROOD_LIB_PROCESS_COMPLETION_HPP

#include <brood/exit_status.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/require.hpp>

#include <memory>
#include <utility>

namespace brood::detail {

namespace asio = boost::asio;

/// A stored completion handler. It keeps the contexts of both executors running until it has been called.
template <class... Values>
class basic_completion {
public:
    using handler_type = asio::any_completion_handler<void(error_code, Values...)>;

    basic_completion(handler_type handler, asio::any_io_executor const& executor)
        : executor_(asio::prefer(executor, asio::execution::outstanding_work.tracked)),
          handler_executor_(track_handler_executor(handler, executor)),
          handler_(std::move(handler))
    {}

    basic_completion(basic_completion&&) noexcept = default;

    // Swaps: in Asio 1.26, the move assignment of any_completion_handler calls itself without end.
    basic_completion& operator=(basic_completion&& other) noexcept
    {
        executor_ = std::move(other.executor_);
        handler_executor_ = std::move(other.handler_executor_);
        handler_.swap(other.handler_);
        return *this;
    }

    auto cancellation_slot() const { return asio::get_associated_cancellation_slot(handler_); }

    /// Calls the handler on its executor, never before this function returns.
    void post(error_code ec, Values... values)
    {
        if (handler_executor_)
            asio::post(executor_, asio::append(std::move(handler_), ec, std::move(values)...));
        else
            asio::require(executor_, asio::execution::blocking.never).execute(call(ec, std::move(values)...));
    }

    /// Calls the handler on its executor, before this function returns if the executor allows it.
    void dispatch(error_code ec, Values... values)
    {
        if (handler_executor_)
            asio::dispatch(executor_, asio::append(std::move(handler_), ec, std::move(values)...));
        else
            executor_.execute(call(ec, std::move(values)...));
    }

private:
    using handler_executor = asio::any_completion_executor;

    // Converting one kind of erased executor to another allocates memory, so it is avoided.
    static std::unique_ptr<handler_executor>
    track_handler_executor(handler_type const& handler, asio::any_io_executor const& executor)
    {
        auto own = asio::get_associated_executor(handler, handler_executor());
        if (!own)
            return nullptr;
        if (auto const* same_kind = own.template target<asio::any_io_executor>(); same_kind && *same_kind == executor)
            return nullptr;
        return std::make_unique<handler_executor>(
            asio::prefer(std::move(own), asio::execution::outstanding_work.tracked));
    }

    auto call(error_code ec, Values... values)
    {
        return [handler = std::move(handler_), ec, ... values = std::move(values)]() mutable {
            std::move(handler)(ec, std::move(values)...);
        };
    }

    asio::any_io_executor executor_;
    std::unique_ptr<handler_executor> handler_executor_; // null if the handler is called on `executor_`
    handler_type handler_;
};

using completion = basic_completion<exit_status>;

} // namespace brood::detail

#endif
