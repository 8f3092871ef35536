// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TERMINAL_HPP
#define BROOD_TERMINAL_HPP

#include <brood/error.hpp>
#include <brood/export.hpp>
#include <brood/result.hpp>
#include <brood/terminal_size.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace brood {

namespace asio = boost::asio;

namespace detail {

BROOD_API result<void> resize_terminal(int fd, terminal_size size) noexcept;

/// Once the child's side has been closed, Linux fails reads with EIO where others tell the end of the file.
inline error_code told_of_read(error_code ec) noexcept
{
    return ec == boost::system::errc::io_error ? error_code(asio::error::eof) : ec;
}

template <class Handler>
struct terminal_read_handler {
    Handler handler;

    void operator()(error_code ec, std::size_t size) { std::move(handler)(told_of_read(ec), size); }
};

} // namespace detail

/// The parent's end of a child's terminal: what is written is typed, what is read would be on the screen.
/**
 * An Asio stream whose end is `asio::error::eof`, which comes once all that had the child's side open have closed
 * it or ended. Used as its base class, a read may end with an input/output error instead.
 *
 * Closing it hangs the child up (SIGHUP).
 *
 * @par Thread safety
 * That of its base: distinct objects are safe, shared ones are not.
 */
template <class Executor = asio::any_io_executor>
class basic_terminal : public asio::posix::basic_stream_descriptor<Executor> {
    using base = asio::posix::basic_stream_descriptor<Executor>;

public:
    /// The same on another type of executor.
    template <class Other>
    struct rebind_executor {
        using other = basic_terminal<Other>;
    };

    using base::base;

    /// Reads some of what the child has written; blocks until there is any. Throws `boost::system::system_error`.
    template <class MutableBufferSequence>
    std::size_t read_some(MutableBufferSequence const& buffers)
    {
        error_code ec;
        auto const size = read_some(buffers, ec);
        if (ec.failed())
            throw boost::system::system_error(ec, "read_some");
        return size;
    }

    /// The same with the error in `ec`.
    template <class MutableBufferSequence>
    std::size_t read_some(MutableBufferSequence const& buffers, error_code& ec)
    {
        auto const size = base::read_some(buffers, ec);
        ec = detail::told_of_read(ec);
        return size;
    }

    /// Reads some of what the child has written.
    /**
     * @par Completion Signature
     * @code void(error_code, std::size_t) @endcode
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`.
     */
    template <class MutableBufferSequence, class ReadToken = asio::default_completion_token_t<Executor>>
    auto async_read_some(MutableBufferSequence const& buffers, ReadToken&& token = {})
    {
        return asio::async_initiate<ReadToken, void(error_code, std::size_t)>(initiate_read{this}, token, buffers);
    }

    /// Sets the size of the window. Where it changes, the programs in the foreground get SIGWINCH.
    /**
     * @par Errors
     * `bad_file_descriptor` where it is closed, with stage `terminal`.
     */
    result<void> resize(terminal_size size) { return detail::resize_terminal(this->native_handle(), size); }

private:
    struct initiate_read {
        using executor_type = Executor;

        basic_terminal* self;

        executor_type get_executor() const noexcept { return self->get_executor(); }

        template <class Handler, class MutableBufferSequence>
        void operator()(Handler&& handler, MutableBufferSequence const& buffers) const
        {
            self->base::async_read_some(
                buffers, detail::terminal_read_handler<std::decay_t<Handler>>{std::forward<Handler>(handler)});
        }
    };
};

/// A terminal on any executor.
using terminal = basic_terminal<>;

} // namespace brood

template <template <class, class> class Associator, class Handler, class Default>
struct boost::asio::associator<Associator, brood::detail::terminal_read_handler<Handler>, Default>
    : Associator<Handler, Default> {
    static auto get(brood::detail::terminal_read_handler<Handler> const& h) noexcept
    {
        return Associator<Handler, Default>::get(h.handler);
    }

    static auto get(brood::detail::terminal_read_handler<Handler> const& h, Default const& fallback) noexcept
    {
        return Associator<Handler, Default>::get(h.handler, fallback);
    }
};

#endif
