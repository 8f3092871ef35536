// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_REAP_LOOP_EXECUTOR_HPP
#define BROOD_LIB_REAP_LOOP_EXECUTOR_HPP

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>

#include <utility>

namespace brood::reap {

/// Runs at once what the reactor has become ready to tell, which it does on a thread that runs the context.
/**
 * It is for what all processes of a context share. An executor of the application's would not do: where it is a
 * strand, a handler that holds it would keep all others from being told.
 */
class loop_executor {
public:
    explicit loop_executor(boost::asio::execution_context& context) noexcept : context_(&context) {}

    boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept { return *context_; }

    template <class Function>
    void execute(Function&& function) const
    {
        std::forward<Function>(function)();
    }

    friend bool operator==(loop_executor const&, loop_executor const&) noexcept = default;

private:
    boost::asio::execution_context* context_;
};

} // namespace brood::reap

#endif
