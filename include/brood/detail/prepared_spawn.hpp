// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_PREPARED_SPAWN_HPP
#define BROOD_DETAIL_PREPARED_SPAWN_HPP

#include <brood/child.hpp>
#include <brood/command.hpp>
#include <brood/detail/export.hpp>
#include <brood/detail/streams.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/system/system_error.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace brood::detail {

using spawn_handler = boost::asio::any_completion_handler<void(error_code, child_owner)>;

/// A validated command with all its descriptors open, ready to be started once. It leaves nothing if it is not started.
class prepared_spawn;

struct BROOD_API destroy_prepared_spawn {
    void operator()(prepared_spawn* prepared) const noexcept;
};

using prepared_spawn_ptr = std::unique_ptr<prepared_spawn, destroy_prepared_spawn>;

BROOD_API result<prepared_spawn_ptr> prepare_spawn(boost::asio::any_io_executor const& executor, command const& cmd);

/// The parent's end of a pipe or a channel, which the caller then owns.
BROOD_API int take_parent_end(prepared_spawn& prepared, int child_fd) noexcept;
BROOD_API int take_terminal(prepared_spawn& prepared) noexcept;

/// Starts the child, which keeps the streams. Returns after exec.
BROOD_API result<child_owner> start_spawn(prepared_spawn_ptr prepared, std::unique_ptr<streams_base> streams);

/// Starts the child without blocking. Completes after exec.
BROOD_API void async_start_spawn(
    boost::asio::any_io_executor const& executor, result<prepared_spawn_ptr> prepared,
    std::unique_ptr<streams_base> streams, spawn_handler handler);

BROOD_API void close_descriptor(int fd) noexcept;

/// Moves a descriptor into an Asio object. The descriptor is closed on failure.
template <class Stream, class... Protocol>
error_code assign_end(spawn_stage stage, Stream& stream, int fd, Protocol const&... protocol)
{
    struct closer {
        int fd;
        ~closer()
        {
            if (fd >= 0)
                close_descriptor(fd);
        }
    } owned{fd};
    error_code ec;
    stream.assign(protocol..., fd, ec);
    if (ec.failed())
        return make_error_code(stage, ec.value());
    owned.fd = -1;
    return {};
}

template <class Executor>
error_code assign_pipe(streams<Executor>& ends, Executor const& executor, prepared_spawn& prepared, int child_fd)
{
    auto const stage = spawn_stage::pipe;
    int const fd = take_parent_end(prepared, child_fd);
    switch (child_fd) {
    case 0: return assign_end(stage, ends.in, fd);
    case 1: return assign_end(stage, ends.out, fd);
    case 2: return assign_end(stage, ends.err, fd);
    default: return assign_end(stage, ends.rare(executor).channel(child_fd), fd, channel_protocol());
    }
}

/// Whether the command creates an end for the parent, from the child's descriptor `first` on.
inline bool has_parent_ends(command_data const& cmd, int first = 0)
{
    for (auto mapped = cmd.descriptors.lower_bound(first); mapped != cmd.descriptors.end(); ++mapped)
        if (mapped->second.kind() == stdio::source_kind::piped)
            return true;
    return false;
}

/// Moves the parent's ends into streams; null if there are none.
template <class Executor>
result<std::unique_ptr<streams<Executor>>>
assign_streams(Executor const& executor, prepared_spawn& prepared, command_data const& cmd)
try {
    std::unique_ptr<streams<Executor>> ends;
    if (!cmd.terminal && !has_parent_ends(cmd))
        return ends;
    ends = std::make_unique<streams<Executor>>(executor);
    for (auto const& [child_fd, io] : cmd.descriptors)
        if (io.kind() == stdio::source_kind::piped)
            if (auto ec = assign_pipe(*ends, executor, prepared, child_fd); ec.failed())
                return ec;
    if (cmd.terminal) {
        auto& terminal = ends->rare(executor).terminal;
        if (auto ec = assign_end(spawn_stage::terminal, terminal, take_terminal(prepared)); ec.failed())
            return ec;
    }
    return ends;
} catch (boost::system::system_error const& error) { // the context's reactor is created on first use
    return make_error_code(spawn_stage::pipe, error.code().value());
}

/// Creates a child's streams. The executor type is erased.
using streams_factory = std::function<result<std::unique_ptr<streams_base>>(prepared_spawn&, command_data const&)>;

template <class Executor>
streams_factory streams_on(Executor const& executor)
{
    return [executor](prepared_spawn& prepared, command_data const& cmd) -> result<std::unique_ptr<streams_base>> {
        auto streams = assign_streams(executor, prepared, cmd);
        if (!streams)
            return streams.error();
        return std::unique_ptr<streams_base>(std::move(streams).value());
    };
}

} // namespace brood::detail

#endif
