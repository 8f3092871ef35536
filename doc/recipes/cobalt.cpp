// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/cobalt/main.hpp>
#include <boost/cobalt/op.hpp>
#include <boost/cobalt/this_thread.hpp>

#include <iostream>

namespace cobalt = boost::cobalt;

//! [cobalt]
cobalt::main co_main(int, char**)
{
    auto executor = cobalt::this_thread::get_executor();
    brood::output ended = co_await brood::async_output(executor, brood::command("echo", "one", "two"), cobalt::use_op);
    std::cout << ended.out;
    co_return ended.status.shell_code();
}
//! [cobalt]
