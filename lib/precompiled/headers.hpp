// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The headers that take long to parse; nothing relies on finding them here.
#include <brood/command.hpp>
#include <brood/result.hpp>
#include <brood/spawn.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
