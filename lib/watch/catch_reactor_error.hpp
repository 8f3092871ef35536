// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_WATCH_CATCH_REACTOR_ERROR_HPP
#define BROOD_LIB_WATCH_CATCH_REACTOR_ERROR_HPP

#include "os/module.hpp"
#include "watch/watch.hpp"

#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/system/system_error.hpp>

namespace brood::detail {

/// Returns what a function returns for the executor's context, or the error if the reactor cannot be created.
/**
 * A context creates its reactor on first use.
 */
template <class Function>
auto catch_reactor_error(asio::any_io_executor const& executor, Function function)
    -> decltype(function(asio::query(executor, asio::execution::context)))
{
    os::keep_module_loaded(); // the context owns services of the library
    try {
        return function(asio::query(executor, asio::execution::context));
    } catch (boost::system::system_error const& error) {
        return error.code();
    }
}

} // namespace brood::detail

#endif
