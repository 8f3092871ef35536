// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_STREAMS_HPP
#define BROOD_DETAIL_STREAMS_HPP

#include <brood/child.hpp>
#include <brood/detail/channel_protocol.hpp>
#include <brood/terminal.hpp>

#include <map>
#include <utility>

namespace brood::detail {

/// The streams that few children have: channels and the terminal.
/**
 * They are not in <brood/child.hpp> because sockets take long to compile.
 */
template <class Executor>
struct rare_streams final : streams_base {
    using channel_type = boost::asio::basic_stream_socket<channel_protocol, Executor>;

    explicit rare_streams(Executor const& executor) : terminal(executor) {}

    template <class Other>
    explicit rare_streams(rare_streams<Other>&& other) : terminal(std::move(other.terminal))
    {
        for (auto& [child_fd, end] : other.channels)
            channels.emplace(child_fd, std::move(end));
    }

    int read_end(output_stream) override { return terminal.is_open() ? terminal.native_handle() : -1; }

    void cancel_read(output_stream) override
    {
        error_code ignored;
        terminal.cancel(ignored);
    }

    /// A channel that does not exist is created closed.
    channel_type& channel(int child_fd)
    {
        return channels.try_emplace(child_fd, terminal.get_executor()).first->second;
    }

    std::map<int, channel_type> channels; // by the child's descriptor
    basic_terminal<Executor> terminal;
};

} // namespace brood::detail

#endif
