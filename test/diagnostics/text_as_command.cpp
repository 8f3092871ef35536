// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: no matching function for call to .spawn
#include <brood/spawn.hpp>

#include <boost/asio/io_context.hpp>

auto start(boost::asio::io_context& context) { return brood::spawn(context, "true"); }
