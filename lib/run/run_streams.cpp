// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The streams of a run: feeds the input of the first child and captures the outputs.
#include "run/run_op.hpp"

#include "os/pipes.hpp"

#include <boost/asio/error.hpp>

#include <new>
#include <utility>

namespace brood::detail {

error_code run_op::capture_err(os::unique_fd read_end)
{
    return catch_pipe_error([&] { open_stream(2, std::move(read_end)); });
}

void run_op::open_stream(int child_fd, os::unique_fd fd)
{
    auto const index = static_cast<std::size_t>(child_fd) - 1;
    streams_[index].emplace(strand_, fd.get(), settings_.limit, settings_.sinks[index]);
    (void)fd.release();
    fsm_.stream_opened();
}

result<std::unique_ptr<streams_base>> run_op::open_streams(prepared_spawn& from, command const& cmd)
{
    if (!child_streams_) {
        open_streams({from.take_parent_end(0), from.take_parent_end(1), from.take_parent_end(2)});
        return nullptr;
    }
    open_streams({});
    return child_streams_(from, cmd.data());
}

void run_op::open_streams(std::array<os::unique_fd, 3> ends)
{
    if (ends[0]) {
        input_.emplace(strand_, ends[0].get());
        (void)ends[0].release();
    }
    for (int child_fd : {1, 2})
        if (auto& end = ends[static_cast<std::size_t>(child_fd)])
            open_stream(child_fd, std::move(end));
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
    iovec const rest{const_cast<void*>(left.data()), left.size()};
    auto const put = os::write_some(input_->native_handle(), {&rest, 1});
    if (put)
        left += put.value();
    bool const full = !put && put.error() == boost::system::errc::resource_unavailable_try_again;
    bool const closed = !put && put.error() == boost::system::errc::broken_pipe; // by the child
    if (put ? left.size() == 0 : closed)
        return input_.reset();
    if (!put && !full)
        return fail_input(put.error());
    try {
        input_->async_wait(descriptor::wait_write, [self = shared_from_this()](error_code ec) {
            if (self->input_)
                ec.failed() ? self->fail_input(ec) : self->feed();
        });
    } catch (std::bad_alloc const&) {
        fail_input(make_error_code(boost::system::errc::not_enough_memory));
    }
}

void run_op::fail_input(error_code error)
{
    input_.reset();
    act(fsm_.fail(error));
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
    if (ec == asio::error::eof) {
        close(from, true);
    } else if (abandoned_) {
        read_remainder(from);
    } else if (!ec.failed()) {
        read(from);
    } else {
        act(fsm_.fail(ec));
        close(from, false);
    }
    rethrow();
}

// Last, because the operation continues.
void run_op::rethrow()
{
    if (auto const thrown = std::exchange(thrown_, nullptr))
        std::rethrow_exception(thrown);
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
    auto const piece = from.text.commit(count);
    if (from.sink && !piece.empty())
        pass(from, piece);
    if (before < large && from.text.seen() >= large)
        os::enlarge_pipe(from.pipe.native_handle(), large / 4);
    if (from.text.truncated() && settings_.on_limit == limit_policy::stop_child)
        act(fsm_.fail(errc::output_limit_exceeded));
}

void run_op::pass(captured_stream& from, std::string_view piece)
{
    if (!from.sink.by_line)
        return call(from.sink, piece);
    try {
        pass_lines(from, piece);
    } catch (std::bad_alloc const&) {
        act(fsm_.fail(make_error_code(boost::system::errc::not_enough_memory)));
    }
}

void run_op::pass_lines(captured_stream& from, std::string_view piece)
{
    constexpr std::size_t max_part = 64 * 1024;
    auto& line = from.line;
    while (!piece.empty()) {
        auto const end = piece.find('\n');
        auto rest = piece.substr(0, end);
        while (line.size() + rest.size() > max_part) {
            auto const part = max_part - line.size();
            line.append(rest.substr(0, part));
            call(from.sink, line);
            line.clear();
            rest.remove_prefix(part);
        }
        line.append(rest);
        if (end == piece.npos)
            return;
        call(from.sink, line);
        line.clear();
        piece.remove_prefix(end + 1);
    }
}

// After an exception, the rest of the stream is discarded.
void run_op::call(output_sink& sink, std::string_view text)
{
    if (!sink)
        return;
    try {
        sink.call(text);
    } catch (...) {
        thrown_ = thrown_ ? thrown_ : std::current_exception();
        sink.call = nullptr;
        act(fsm_.fail(asio::error::operation_aborted));
    }
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
    if (!stream.line.empty())
        call(stream.sink, std::exchange(stream.line, {}));
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
