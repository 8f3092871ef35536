// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: brood: the options come before the completion token
#include <brood/run.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

auto capture(boost::asio::io_context& context)
{
    return brood::async_output(
        context, brood::command("true"), boost::asio::use_future, brood::output_options().limit(100));
}
