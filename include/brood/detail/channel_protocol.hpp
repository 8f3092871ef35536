// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_CHANNEL_PROTOCOL_HPP
#define BROOD_DETAIL_CHANNEL_PROTOCOL_HPP

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/local/basic_endpoint.hpp>

#include <concepts>

#include <sys/socket.h>

namespace brood::detail {

/// The protocol of channels: that of `asio::local::stream_protocol`, whose header takes a third of a second to compile.
/**
 * A socket of this protocol converts to `asio::local::stream_protocol::socket`.
 */
class channel_protocol {
public:
    using endpoint = boost::asio::local::basic_endpoint<channel_protocol>;
    using socket = boost::asio::basic_stream_socket<channel_protocol>;

    int type() const noexcept { return SOCK_STREAM; }
    int protocol() const noexcept { return 0; }
    int family() const noexcept { return AF_UNIX; }

    template <class Protocol>
        requires std::same_as<typename Protocol::endpoint, boost::asio::local::basic_endpoint<Protocol>> &&
            std::same_as<typename Protocol::socket, boost::asio::basic_stream_socket<Protocol>>
    operator Protocol() const { return Protocol(); }
};

} // namespace brood::detail

#endif
