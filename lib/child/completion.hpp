// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_COMPLETION_HPP
#define BROOD_LIB_CHILD_COMPLETION_HPP

#include <brood/child.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

namespace brood::detail {

/// A handler kept outside Asio, with what keeps both contexts running until it has been called.
template <class... Values>
class basic_completion {
public:
    using handler_type = asio::any_completion_handler<void(error_code, Values...)>;

    basic_completion(handler_type handler, asio::any_io_executor const& executor)
        : executor_(asio::prefer(executor, asio::execution::outstanding_work.tracked)),
          handler_work_(work_elsewhere(handler, executor)),
          handler_(std::move(handler))
    {}

    basic_completion(basic_completion&&) noexcept = default;

    // By swap: in Asio 1.26, any_completion_handler's own assignment calls itself for ever.
    basic_completion& operator=(basic_completion&& other) noexcept
    {
        executor_ = std::move(other.executor_);
        handler_work_ = std::move(other.handler_work_);
        handler_.swap(other.handler_);
        return *this;
    }

    auto cancellation_slot() const { return asio::get_associated_cancellation_slot(handler_); }

    /// Calls the handler on its executor, but never in here.
    void post(error_code ec, Values... values)
    {
        asio::post(executor_, asio::append(std::move(handler_), ec, std::move(values)...));
    }

    /// Calls the handler on its executor, in here where that allows it.
    void dispatch(error_code ec, Values... values)
    {
        asio::dispatch(executor_, asio::append(std::move(handler_), ec, std::move(values)...));
    }

private:
    static asio::any_completion_executor work_elsewhere(handler_type const& handler, asio::any_io_executor const& here)
    {
        asio::any_completion_executor const fallback(here);
        auto own = asio::get_associated_executor(handler, fallback);
        if (own == fallback)
            return {};
        return asio::prefer(std::move(own), asio::execution::outstanding_work.tracked);
    }

    asio::any_io_executor executor_;
    asio::any_completion_executor handler_work_; // empty where the handler has no executor of its own
    handler_type handler_;
};

using completion = basic_completion<exit_status>;

} // namespace brood::detail

#endif
