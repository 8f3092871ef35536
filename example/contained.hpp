// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_CONTAINED_HPP
#define BROOD_EXAMPLE_CONTAINED_HPP

#include <brood/command.hpp>
#include <brood/spawn.hpp>

#include <boost/asio/io_context.hpp>

#include <system_error>

/// Starts a command whose descendants end with it, daemons too, where the system supports that.
inline brood::result<brood::child> start_contained(boost::asio::io_context& loop, brood::command const& cmd)
{
    auto contained = cmd;
    auto child = brood::spawn(loop, contained.contained());
    bool const is_unsupported = !child && child.error() == std::errc::not_supported;
    return is_unsupported ? brood::spawn(loop, cmd) : std::move(child);
}

#endif
