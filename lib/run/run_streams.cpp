// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The streams of a run: feeds the input of the first child and captures the outputs.
#include "run/run_op.hpp"

#include "os/pipes.hpp"

#include <boost/asio/error.hpp>

#include <new>

namespace brood::detail {

error_code run_op::capture_err(os::unique_fd read_end)
{
    return catch_pipe_error([&] { open_stream(2, std::move(read_end)); });
}

void run_op::open_stream(int child_fd, os::unique_fd fd)
{
    streams_[static_cast<std::size_t>(child_fd) - 1].emplace(strand_, fd.get(), settings_.limit);
    (void)fd.release();
    fsm_.stream_opened();
}

void run_op::open_streams(prepared_spawn& from)
{
    if (auto fd = from.take_parent_end(0)) {
        input_.emplace(strand_, fd.get());
        (void)fd.release();
    }
    for (int child_fd : {1, 2})
        if (auto fd = from.take_parent_end(child_fd))
            open_stream(child_fd, std::move(fd));
    if (!timer_)
        timer_.emplace(strand_);
}

void run_op::start_streams()
{
    if (input_)
        feed();
    for (auto& stream : streams_)
        if (stream)
            read(*stream);
}

void run_op::feed()
{
    auto& left = input_left_;
    auto const put = os::write_some(input_->native_handle(), left.data(), left.size());
    if (put)
        left += put.value();
    bool const full = !put && put.error() == boost::system::errc::resource_unavailable_try_again;
    if (put ? left.size() == 0 : !full) // everything is written, or the child has closed its end
        return input_.reset();
    try {
        input_->async_wait(descriptor::wait_write, [self = shared_from_this()](error_code ec) {
            if (!ec.failed() && self->input_)
                self->feed();
        });
    } catch (std::bad_alloc const&) {
        input_.reset();
        act(fsm_.fail(make_error_code(boost::system::errc::not_enough_memory)));
    }
}

void run_op::read(captured_stream& from)
{
    auto const room = from.text.room();
    if (room.size() == 0)
        return out_of_memory(from);
    try {
        from.pipe.async_read_some(room, [self = shared_from_this(), &from](error_code ec, std::size_t count) {
            self->on_read(from, ec, count);
        });
    } catch (std::bad_alloc const&) {
        out_of_memory(from);
    }
}

void run_op::on_read(captured_stream& from, error_code ec, std::size_t count)
{
    keep(from, count);
    if (ec == asio::error::eof)
        return close(from, true);
    if (abandoned_)
        return read_remainder(from);
    if (!ec.failed())
        return read(from);
    act(fsm_.fail(ec));
    close(from, false);
}

// Keeps the data that the pipe contains now. Data that descendants write later is not waited for.
void run_op::read_remainder(captured_stream& from)
{
    int const fd = from.pipe.native_handle();
    for (auto const last = from.text.seen() + os::readable_bytes(fd); from.text.seen() <= last;) {
        auto const room = from.text.room();
        if (room.size() == 0)
            return out_of_memory(from);
        auto const got = os::read_some(fd, room.data(), room.size());
        if (!got || got.value() == 0)
            return close(from, got.has_value());
        keep(from, got.value());
    }
    close(from, false);
}

void run_op::keep(captured_stream& from, std::size_t count)
{
    constexpr std::size_t large = 1 << 20;
    auto const before = from.text.seen();
    from.text.commit(count);
    if (before < large && from.text.seen() >= large)
        os::enlarge_pipe(from.pipe.native_handle(), large / 4);
    if (from.text.truncated() && settings_.on_limit == limit_policy::stop_child)
        act(fsm_.fail(errc::output_limit_exceeded));
}

void run_op::out_of_memory(captured_stream& from)
{
    act(fsm_.fail(make_error_code(boost::system::errc::not_enough_memory)));
    close(from, false);
}

void run_op::close(captured_stream& stream, bool complete)
{
    error_code ignored;
    stream.pipe.close(ignored);
    act(fsm_.stream_ended(complete));
}

// The pending reads complete and read the remainder.
void run_op::abandon_streams()
{
    abandoned_ = true;
    error_code ignored;
    for (auto& stream : streams_)
        if (stream)
            stream->pipe.cancel(ignored);
}

void run_op::release_streams(run_result& to)
{
    for (auto& stream : streams_)
        to.truncated = to.truncated || (stream && stream->text.truncated());
    if (auto& out = streams_[0])
        to.out = out->text.release();
    if (auto& err = streams_[1])
        to.err = err->text.release();
    input_.reset();
    streams_ = {};
}

} // namespace brood::detail
