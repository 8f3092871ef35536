// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_RUN_OP_HPP
#define BROOD_LIB_IO_RUN_OP_HPP

#include "child/completion.hpp"
#include "io/capture.hpp"
#include "io/output_fsm.hpp"
#include "os/pipes.hpp"
#include "os/unique_fd.hpp"

#include <brood/output.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/strand.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>

namespace brood::detail {

inline void give(basic_completion<exit_status>& then, error_code ec, output&& all) { then.post(ec, all.status); }
inline void give(basic_completion<output>& then, error_code ec, output&& all) { then.post(ec, std::move(all)); }

/// A child from its spawn to its end. Its piped streams are captured; there may be none.
/**
 * Its parts run on a strand, and keep it alive while they are pending. What is told at the end is a `Value`: the
 * `output`, or the status alone.
 */
template <class Value>
class run_op : public std::enable_shared_from_this<run_op<Value>> {
public:
    run_op(asio::any_io_executor const& executor, output_options options, basic_completion<Value> then)
        : strand_(asio::make_strand(executor)),
          options_(std::move(options)),
          child_(executor),
          completion_(std::move(then))
    {}

    error_code spawn(command const& cmd)
    {
        auto prepared = prepared_spawn::make(child_.get_executor(), cmd);
        if (!prepared)
            return prepared.error();
        // Registered before there is a child: nothing that can fail comes after.
        try {
            open_streams(prepared.value());
        } catch (boost::system::system_error const& failed) {
            return make_error_code(spawn_stage::pipe, failed.code().value());
        }
        auto handle = prepared.value().start(nullptr);
        if (!handle)
            return handle.error();
        child_ = child(child_.get_executor(), std::move(handle).value());
        return {};
    }

    void start()
    {
        if (auto slot = completion_.cancellation_slot(); slot.is_connected())
            slot.assign([weak = this->weak_from_this()](asio::cancellation_type type) {
                if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                    asio::dispatch(self->strand_, [self] { self->act(self->fsm_.cancel()); });
            });
        asio::dispatch(strand_, [self = this->shared_from_this()] { self->begin(); });
    }

    void finish(error_code ec)
    {
        timer_.reset();
        input_.reset();
        output all;
        all.status = status_;
        all.truncated = is_truncated();
        if (auto& out = streams_[0])
            all.out = out->text.release();
        if (auto& err = streams_[1])
            all.err = err->text.release();
        streams_ = {};
        give(completion_, ec, std::move(all));
    }

private:
    using strand = asio::strand<asio::any_io_executor>;
    using descriptor = asio::posix::basic_stream_descriptor<strand>;
    using clock = std::chrono::steady_clock;
    using timer = asio::basic_waitable_timer<clock, asio::wait_traits<clock>, strand>;
    using action = output_fsm::action;

    struct captured_stream {
        captured_stream(strand const& executor, int fd, std::size_t limit) : pipe(executor, fd), text(limit) {}

        descriptor pipe;
        capture text;
    };

    void open_streams(prepared_spawn& from)
    {
        if (os::unique_fd fd(from.take_parent_end(0)); fd.get() >= 0) {
            input_.emplace(strand_, fd.get());
            (void)fd.release();
        }
        for (int child_fd : {1, 2})
            if (os::unique_fd fd(from.take_parent_end(child_fd)); fd.get() >= 0) {
                streams_[static_cast<std::size_t>(child_fd) - 1].emplace(strand_, fd.get(), options_.limit);
                (void)fd.release();
                fsm_.stream_opened();
            }
        if (options_.timeout || streams_[0] || streams_[1])
            timer_.emplace(strand_);
    }

    void begin()
    {
        child_.async_wait(
            asio::bind_executor(strand_, [self = this->shared_from_this()](error_code ec, exit_status status) {
                self->child_ended(ec, status);
            }));
        if (options_.timeout)
            arm(*options_.timeout, &output_fsm::timeout);
        if (input_)
            feed();
        for (auto& stream : streams_)
            if (stream)
                read(*stream);
    }

    void child_ended(error_code ec, exit_status status)
    {
        status_ = status;
        if (ec.failed()) // it can't be waited for
            (void)child_.kill();
        act(fsm_.child_ended(ec));
    }

    void feed()
    {
        auto& left = options_.input;
        auto const put = os::write_some(input_->native_handle(), left.data(), left.size());
        if (put)
            left += put.value();
        bool const full = !put && put.error() == boost::system::errc::resource_unavailable_try_again;
        if (put ? left.size() == 0 : !full) // all is written, or the child reads no more
            return input_.reset();
        input_->async_wait(descriptor::wait_write, [self = this->shared_from_this()](error_code ec) {
            if (!ec.failed() && self->input_)
                self->feed();
        });
    }

    void read(captured_stream& from)
    {
        auto const room = from.text.room();
        if (room.size() == 0)
            return out_of_memory(from);
        from.pipe.async_read_some(room, [self = this->shared_from_this(), &from](error_code ec, std::size_t count) {
            self->took(from, ec, count);
        });
    }

    void took(captured_stream& from, error_code ec, std::size_t count)
    {
        keep(from, count);
        if (ec == asio::error::eof)
            return end(from, true);
        if (abandoned_)
            return sweep(from);
        if (!ec.failed())
            return read(from);
        act(fsm_.fail(ec));
        end(from, false);
    }

    // What is there already is kept; what descendants go on to write is not waited for.
    void sweep(captured_stream& from)
    {
        int const fd = from.pipe.native_handle();
        for (auto const last = from.text.seen() + os::readable_bytes(fd); from.text.seen() <= last;) {
            auto const room = from.text.room();
            if (room.size() == 0)
                return out_of_memory(from);
            auto const got = os::read_some(fd, room.data(), room.size());
            if (!got || got.value() == 0)
                return end(from, got.has_value());
            keep(from, got.value());
        }
        end(from, false);
    }

    void keep(captured_stream& from, std::size_t count)
    {
        constexpr std::size_t large = 1 << 20;
        auto const before = from.text.seen();
        from.text.take(count);
        if (before < large && from.text.seen() >= large)
            os::enlarge_pipe(from.pipe.native_handle(), large / 4);
        if (from.text.truncated() && options_.on_limit == limit_policy::stop_child)
            act(fsm_.fail(errc::output_limit_exceeded));
    }

    void out_of_memory(captured_stream& from)
    {
        act(fsm_.fail(make_error_code(boost::system::errc::not_enough_memory)));
        end(from, false);
    }

    void end(captured_stream& stream, bool complete)
    {
        error_code ignored;
        stream.pipe.close(ignored);
        act(fsm_.stream_ended(complete));
    }

    void act(action what)
    {
        switch (what) {
        case action::none: break;
        case action::stop:
            child_.async_stop(
                options_.stop,
                asio::bind_executor(strand_, [self = this->shared_from_this()](error_code, exit_status) {}));
            break;
        case action::kill: (void)child_.signal_group(SIGKILL); break;
        case action::start_grace: arm(options_.drain_grace, &output_fsm::grace_over); break;
        case action::abandon: abandon(); break;
        case action::finish: finish(fsm_.error()); break;
        }
    }

    void arm(duration time, action (output_fsm::*over)())
    {
        timer_->expires_after(std::max(time, duration::zero()));
        timer_->async_wait([self = this->shared_from_this(), over](error_code ec) {
            if (!ec.failed())
                self->act((self->fsm_.*over)());
        });
    }

    // The pending reads go on from here, whether they have read something or not.
    void abandon()
    {
        abandoned_ = true;
        error_code ignored;
        for (auto& stream : streams_)
            if (stream)
                stream->pipe.cancel(ignored);
    }

    bool is_truncated() const
    {
        return std::any_of(
            streams_.begin(), streams_.end(), [](auto const& stream) { return stream && stream->text.truncated(); });
    }

    strand strand_; // guards everything below
    output_options options_;
    child child_;
    basic_completion<Value> completion_;
    output_fsm fsm_;
    std::optional<timer> timer_; // the timeout's, then the drain grace's
    std::optional<descriptor> input_;
    std::array<std::optional<captured_stream>, 2> streams_;
    bool abandoned_ = false;
    exit_status status_;
};

} // namespace brood::detail

#endif
