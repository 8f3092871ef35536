// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_COMPLETION_HPP
#define BROOD_LIB_CHILD_COMPLETION_HPP

#include <brood/child.hpp>

#include <boost/asio/any_completion_executor.hpp>
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

/// A handler kept outside Asio, with what keeps both contexts running until it has been called.
template <class... Values>
class basic_completion {
public:
    using handler_type = asio::any_completion_handler<void(error_code, Values...)>;

    basic_completion(handler_type handler, asio::any_io_executor const& executor)
        : executor_(asio::prefer(executor, asio::execution::outstanding_work.tracked)),
          work_elsewhere_(track_elsewhere(handler, executor)),
          handler_(std::move(handler))
    {}

    basic_completion(basic_completion&&) noexcept = default;

    // By swap: in Asio 1.26, any_completion_handler's own assignment calls itself for ever.
    basic_completion& operator=(basic_completion&& other) noexcept
    {
        executor_ = std::move(other.executor_);
        work_elsewhere_ = std::move(other.work_elsewhere_);
        handler_.swap(other.handler_);
        return *this;
    }

    auto cancellation_slot() const { return asio::get_associated_cancellation_slot(handler_); }

    /// Calls the handler on its executor, but never in here.
    void post(error_code ec, Values... values)
    {
        if (work_elsewhere_)
            asio::post(executor_, asio::append(std::move(handler_), ec, std::move(values)...));
        else
            asio::require(executor_, asio::execution::blocking.never).execute(call(ec, std::move(values)...));
    }

    /// Calls the handler on its executor, in here where that allows it.
    void dispatch(error_code ec, Values... values)
    {
        if (work_elsewhere_)
            asio::dispatch(executor_, asio::append(std::move(handler_), ec, std::move(values)...));
        else
            executor_.execute(call(ec, std::move(values)...));
    }

private:
    using handler_executor = asio::any_completion_executor;

    // Each change from one kind of erased executor to another takes memory, so none is changed that need not be.
    static std::unique_ptr<handler_executor>
    track_elsewhere(handler_type const& handler, asio::any_io_executor const& here)
    {
        auto own = asio::get_associated_executor(handler, handler_executor());
        if (!own)
            return nullptr;
        if (auto const* same_kind = own.template target<asio::any_io_executor>(); same_kind && *same_kind == here)
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
    std::unique_ptr<handler_executor> work_elsewhere_; // null where the handler is to be called on `executor_`
    handler_type handler_;
};

using completion = basic_completion<exit_status>;

} // namespace brood::detail

#endif
