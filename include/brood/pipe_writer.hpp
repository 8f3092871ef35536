// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_PIPE_WRITER_HPP
#define BROOD_PIPE_WRITER_HPP

#include <brood/detail/export.hpp>
#include <brood/detail/initiation.hpp>
#include <brood/detail/wrapped_handler.hpp>
#include <brood/error.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>

namespace brood {

namespace detail {

/// The buffers of one write. More than fit are left to the next write.
struct write_buffers {
    std::array<boost::asio::const_buffer, 16> parts;
    std::size_t count = 0;
};

template <class ConstBufferSequence>
write_buffers first_buffers(ConstBufferSequence const& sequence)
{
    write_buffers all;
    auto const end = boost::asio::buffer_sequence_end(sequence);
    for (auto i = boost::asio::buffer_sequence_begin(sequence); i != end && all.count < all.parts.size(); ++i)
        if (boost::asio::const_buffer const part(*i); part.size() > 0)
            all.parts[all.count++] = part;
    return all;
}

/// Writes once, without SIGPIPE. `would_block` if the pipe is full.
BROOD_API std::size_t write_some(int fd, write_buffers const& buffers, error_code& error) noexcept;

/// Writes once, without SIGPIPE. Blocks while the pipe is full.
BROOD_API std::size_t write_some_blocking(int fd, write_buffers const& buffers, error_code& error) noexcept;

template <class Executor>
using pipe_descriptor = std::shared_ptr<boost::asio::posix::basic_stream_descriptor<Executor>>;

/// Tries again to write whenever the pipe may have room.
template <class Executor>
struct write_again {
    pipe_descriptor<Executor> pipe;
    write_buffers buffers;

    template <class Handler>
    void operator()(Handler&& handler, error_code error)
    {
        std::size_t written = 0;
        if (!error.failed() && !pipe->is_open())
            error = boost::asio::error::operation_aborted;
        if (!error.failed())
            written = write_some(pipe->native_handle(), buffers, error);
        if (error == boost::asio::error::would_block)
            return wait(std::forward<Handler>(handler));
        pipe.reset();
        std::forward<Handler>(handler)(error, written);
    }

    template <class Handler>
    void wait(Handler&& handler)
    {
        auto& descriptor = *pipe;
        descriptor.async_wait(descriptor.wait_write, wrap_handler(std::forward<Handler>(handler), std::move(*this)));
    }
};

} // namespace detail

/// The write end of a child's standard input: a synchronous and asynchronous write stream.
/**
 * As `boost::asio::basic_writable_pipe`, but a write to a child that is gone fails with `broken_pipe` and never raises
 * SIGPIPE. Use it with `boost::asio::write` and `async_write`.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: unsafe. A pending write uses the object on its handler's associated executor,
 * as a composed operation does. Only one asynchronous write may be pending.
 */
template <class Executor = boost::asio::any_io_executor>
class basic_pipe_writer {
public:
    /// The type of the executor for completion handlers that have no associated executor.
    using executor_type = Executor;
    using native_handle_type = int; ///< A file descriptor.

    /// The writer's type on another type of executor.
    template <class Other>
    struct rebind_executor {
        using other = basic_pipe_writer<Other>; ///< That type.
    };

    /// A closed pipe.
    explicit basic_pipe_writer(Executor executor) : executor_(std::move(executor)) {}

    /// Takes over the pipe.
    basic_pipe_writer(basic_pipe_writer&& other) noexcept : executor_(other.executor_), pipe_(std::move(other.pipe_)) {}

    /// Closes the pipe and takes over another one.
    basic_pipe_writer& operator=(basic_pipe_writer&& other) noexcept
    {
        if (this != &other) {
            close();
            executor_ = other.executor_;
            pipe_ = std::move(other.pipe_);
        }
        return *this;
    }

    /// Converts a writer from another type of executor.
    template <class Other>
        requires(!std::same_as<Other, Executor> && std::convertible_to<Other, Executor>)
    basic_pipe_writer(basic_pipe_writer<Other>&& other) : executor_(other.executor_)
    {
        if (other.pipe_)
            pipe_ = std::make_shared<descriptor>(std::move(*std::exchange(other.pipe_, nullptr)));
    }

    /// Closes the pipe. Pending writes complete with `asio::error::operation_aborted`.
    ~basic_pipe_writer() { close(); }

    /// The executor for completion handlers that have no associated executor.
    Executor get_executor() const noexcept { return executor_; }

    bool is_open() const noexcept { return pipe_ && pipe_->is_open(); }                ///< Whether there is a pipe.
    int native_handle() const noexcept { return pipe_ ? pipe_->native_handle() : -1; } ///< -1 if it is closed.

    /// Takes over a descriptor, which must be the write end of a pipe.
    void assign(int fd, error_code& error)
    {
        auto created = std::make_shared<descriptor>(executor_);
        created->assign(fd, error);
        if (error.failed())
            return;
        created->native_non_blocking(true, error);
        if (error.failed()) {
            created->release();
            return;
        }
        close();
        pipe_ = std::move(created);
    }

    /// Closes the pipe: the child reads end of file. Pending writes complete with `asio::error::operation_aborted`.
    void close() noexcept
    {
        error_code ignored;
        close(ignored);
    }

    /// Closes the pipe, and reports the error of close(2).
    void close(error_code& error) noexcept
    {
        error = {};
        if (auto const closed = std::exchange(pipe_, nullptr))
            closed->close(error);
    }

    /// Pending writes complete with `asio::error::operation_aborted`.
    void cancel(error_code& error)
    {
        error = {};
        if (pipe_)
            pipe_->cancel(error);
    }

    /// Pending writes complete with `asio::error::operation_aborted`.
    void cancel()
    {
        error_code ignored;
        cancel(ignored);
    }

    /// Gives the descriptor away, which is non-blocking. Pending writes are cancelled. -1 if the pipe is closed.
    int release()
    {
        auto const released = std::exchange(pipe_, nullptr);
        return released ? released->release() : -1;
    }

    /// Writes at least one byte, and blocks until then. Errors: `broken_pipe` if the child is gone or has closed the
    /// pipe.
    template <class ConstBufferSequence>
    std::size_t write_some(ConstBufferSequence const& buffers, error_code& error)
    {
        return detail::write_some_blocking(native_handle(), detail::first_buffers(buffers), error);
    }

    /// The same. Throws `boost::system::system_error` on failure.
    template <class ConstBufferSequence>
    std::size_t write_some(ConstBufferSequence const& buffers)
    {
        error_code error;
        auto const written = write_some(buffers, error);
        if (error.failed())
            throw boost::system::system_error(error, "write_some");
        return written;
    }

    /// Writes at least one byte.
    /**
     * @par Completion Signature
     * @code void(error_code, std::size_t) @endcode
     *
     * @par Errors
     * `broken_pipe` if the child is gone or has closed the pipe; `bad_file_descriptor` if this object is closed.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`.
     */
    template <class ConstBufferSequence, class CompletionToken = detail::default_token<Executor>>
    auto async_write_some(ConstBufferSequence const& buffers, CompletionToken&& token = {})
    {
        return detail::initiate<void(error_code, std::size_t)>(
            executor_, std::forward<CompletionToken>(token),
            [executor = executor_, pipe = pipe_, buffers = detail::first_buffers(buffers)](auto&& handler) mutable {
                error_code error;
                auto const written = detail::write_some(pipe ? pipe->native_handle() : -1, buffers, error);
                if (error == boost::asio::error::would_block)
                    return detail::write_again<Executor>{std::move(pipe), buffers}.wait(
                        std::forward<decltype(handler)>(handler));
                auto complete = [error, written](auto&& wrapped) { std::move(wrapped)(error, written); };
                boost::asio::post(
                    executor, detail::wrap_handler(std::forward<decltype(handler)>(handler), std::move(complete)));
            });
    }

private:
    template <class>
    friend class basic_pipe_writer;

    using descriptor = boost::asio::posix::basic_stream_descriptor<Executor>;

    Executor executor_;
    detail::pipe_descriptor<Executor> pipe_; // shared with the pending writes
};

/// A writer on any executor.
using pipe_writer = basic_pipe_writer<>;

} // namespace brood

#endif
