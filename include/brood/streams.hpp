// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_STREAMS_HPP
#define BROOD_STREAMS_HPP

#include <brood/child.hpp>
#include <brood/terminal.hpp>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <map>
#include <utility>

namespace brood::detail {

/// The parent's ends that few children have: channels and the terminal.
/**
 * Apart from <brood/child.hpp> because sockets take long to compile.
 */
template <class Executor>
struct further_streams final : streams_base {
    using channel_type = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;

    explicit further_streams(Executor const& executor) : terminal(executor) {}

    template <class Other>
    explicit further_streams(further_streams<Other>&& other) : terminal(std::move(other.terminal))
    {
        for (auto& [child_fd, end] : other.channels)
            channels.emplace(child_fd, std::move(end));
    }

    /// Closed where there is none yet.
    channel_type& channel(int child_fd)
    {
        return channels.try_emplace(child_fd, terminal.get_executor()).first->second;
    }

    std::map<int, channel_type> channels; // by the child's descriptor
    basic_terminal<Executor> terminal;
};

} // namespace brood::detail

#endif
