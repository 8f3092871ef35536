// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TERMINAL_HPP
#define BROOD_TERMINAL_HPP

#include <brood/detail/export.hpp>
#include <brood/detail/initiation.hpp>
#include <brood/detail/wrapped_handler.hpp>
#include <brood/error.hpp>
#include <brood/result.hpp>
#include <brood/terminal_size.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <utility>

namespace brood {

namespace detail {

BROOD_API result<void> resize_terminal(int fd, terminal_size size) noexcept;

/// When the child's side has been closed, Linux reports EIO where other systems report end of file.
inline error_code terminal_read_error(error_code ec) noexcept
{
    return ec == boost::system::errc::io_error ? error_code(boost::asio::error::eof) : ec;
}

} // namespace detail

/// The parent's end of a child's terminal. Writes arrive as typed input, reads return what the screen would show.
/**
 * An Asio stream. Reads fail with `asio::error::eof` when every process that had the child's side open has closed it.
 * Through a reference to the base class, a read may fail with an input/output error instead.
 *
 * Closing the stream hangs up the child (SIGHUP).
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: unsafe.
 */
template <class Executor = boost::asio::any_io_executor>
class basic_terminal : public boost::asio::posix::basic_stream_descriptor<Executor> {
    using base = boost::asio::posix::basic_stream_descriptor<Executor>;

public:
    /// The terminal's type on another type of executor.
    template <class Other>
    struct rebind_executor {
        using other = basic_terminal<Other>; ///< That type.
    };

    using base::base;

    /// Reads some data. Blocks until data is available. Throws `boost::system::system_error` on failure.
    template <class MutableBufferSequence>
    std::size_t read_some(MutableBufferSequence const& buffers)
    {
        error_code ec;
        auto const size = read_some(buffers, ec);
        if (ec.failed())
            throw boost::system::system_error(ec, "read_some");
        return size;
    }

    /// Reads some data. Blocks until data is available.
    template <class MutableBufferSequence>
    std::size_t read_some(MutableBufferSequence const& buffers, error_code& ec)
    {
        auto const size = base::read_some(buffers, ec);
        ec = detail::terminal_read_error(ec);
        return size;
    }

    /// Reads some data.
    /**
     * @par Completion Signature
     * @code void(error_code, std::size_t) @endcode
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`.
     */
    template <class MutableBufferSequence, class ReadToken = detail::default_token<Executor>>
    auto async_read_some(MutableBufferSequence const& buffers, ReadToken&& token = {})
    {
        return detail::initiate<void(error_code, std::size_t)>(
            this->get_executor(), std::forward<ReadToken>(token), [this, buffers](auto&& handler) {
                auto to_read_error = [](auto&& wrapped, error_code ec, std::size_t size) {
                    std::move(wrapped)(detail::terminal_read_error(ec), size);
                };
                this->base::async_read_some(
                    buffers, detail::wrap_handler(std::forward<decltype(handler)>(handler), to_read_error));
            });
    }

    /// Sets the size of the window. If it changes, the foreground process group receives SIGWINCH.
    /**
     * @par Errors
     * `bad_file_descriptor`, with stage `terminal`, if the stream is closed.
     */
    result<void> resize(terminal_size size) { return detail::resize_terminal(this->native_handle(), size); }
};

/// A terminal on any executor.
using terminal = basic_terminal<>;

} // namespace brood

#endif
