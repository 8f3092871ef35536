// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_REAP_WITH_REACTOR_HPP
#define BROOD_LIB_REAP_WITH_REACTOR_HPP

#include "os/module.hpp"
#include "reap/watch.hpp"

#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/system/system_error.hpp>

namespace brood::reap {

/// The watch that `make` makes in the executor's context; or why the context has no reactor, which is made on first use.
template <class Make>
watch_result with_reactor(asio::any_io_executor const& executor, Make make)
{
    os::keep_module_loaded(); // the context owns services of the library
    try {
        return make(asio::query(executor, asio::execution::context));
    } catch (boost::system::system_error const& failed) {
        return failed.code();
    }
}

} // namespace brood::reap

#endif
