// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"
#include "os/pipes.hpp"

#include <brood/pipe_writer.hpp>

namespace brood::detail {

std::size_t write_some(int fd, write_buffers const& buffers, error_code& error) noexcept
{
    error = {};
    std::array<iovec, std::tuple_size_v<decltype(buffers.parts)>> parts;
    for (std::size_t i = 0; i < buffers.count; ++i)
        parts[i] = {const_cast<void*>(buffers.parts[i].data()), buffers.parts[i].size()};
    if (buffers.count == 0 && fd >= 0)
        return 0;
    auto const written = os::write_some(fd, {parts.data(), buffers.count});
    if (written)
        return written.value();
    error = written.error();
    return 0;
}

std::size_t write_some_blocking(int fd, write_buffers const& buffers, error_code& error) noexcept
{
    for (;;) {
        auto const written = write_some(fd, buffers, error);
        if (error != boost::asio::error::would_block)
            return written;
        if (error = os::wait_until_writable(fd); error.failed())
            return 0;
    }
}

} // namespace brood::detail
