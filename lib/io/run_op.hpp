// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_RUN_OP_HPP
#define BROOD_LIB_IO_RUN_OP_HPP

#include "child/completion.hpp"
#include "child/stop_fsm.hpp"
#include "io/capture.hpp"
#include "io/output_fsm.hpp"
#include "io/run_children.hpp"
#include "io/run_result.hpp"
#include "os/pipes.hpp"
#include "os/unique_fd.hpp"

#include <brood/pipeline.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/strand.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace brood::detail {

/// A command's child, or all those of a pipeline, from the start to the end. The piped streams are captured.
/**
 * Its parts run on a strand, and keep it alive while they are pending. What is told at the end is a `Value`: the
 * output or the status alone, of one child or of the stages.
 */
template <class Value>
class run_op : public std::enable_shared_from_this<run_op<Value>> {
public:
    using handler_type = typename basic_completion<Value>::handler_type;

    run_op(asio::any_io_executor const& executor, std::size_t children, output_options options)
        : strand_(asio::make_strand(executor)),
          options_(std::move(options)),
          children_(executor),
          fsm_(children),
          statuses_(children)
    {}

    /// Captures standard error from elsewhere than a child's own pipe.
    error_code capture_err(os::unique_fd from)
    {
        return registered([&] { open_stream(2, std::move(from)); });
    }

    /// Starts the child of a command, or the children of a pipeline, and runs them to their end.
    /**
     * The first one is started in here, as far as that goes without waiting. `on_running` gets its id when all run.
     */
    template <class What>
    void run(What const& what, handler_type handler, std::function<void(pid_t)> on_running = {})
    {
        begin(std::move(handler));
        if (auto ec = children_.prepare_ahead(what, stream_opener()); ec.failed())
            return finish(ec);
        on_running_ = std::move(on_running);
        asio::dispatch(strand_, [self = this->shared_from_this()] { self->start_timeout(); });
        start_next();
    }

    /// Starts a command's child, and waits for that. `run_started` comes next.
    error_code start_now(command const& cmd)
    {
        auto const ec = children_.prepare(cmd, stream_opener());
        return ec.failed() ? ec : children_.start_now();
    }

    void run_started(handler_type handler)
    {
        begin(std::move(handler));
        asio::dispatch(strand_, [self = this->shared_from_this()] {
            self->start_timeout();
            self->all_started({});
        });
    }

    /// Instead of `run`.
    void fail(error_code ec, handler_type handler)
    {
        begin(std::move(handler));
        finish(ec);
    }

    std::vector<child>& children() noexcept { return children_.all(); }

    /// By the stop plan. From any thread, as `kill`, and neither is an error.
    void stop()
    {
        on_strand([](output_fsm& fsm) { return fsm.end_soon(); });
    }

    /// In here, even where nobody runs the event loop.
    void kill()
    {
        children_.signal(SIGKILL);
        on_strand([](output_fsm& fsm) { return fsm.end_now(); });
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

    void open_stream(int child_fd, os::unique_fd fd)
    {
        streams_[static_cast<std::size_t>(child_fd) - 1].emplace(strand_, fd.get(), options_.limit);
        (void)fd.release();
        fsm_.stream_opened();
    }

    auto stream_opener()
    {
        return [this](prepared_spawn& from) { open_streams(from); };
    }

    void open_streams(prepared_spawn& from)
    {
        if (os::unique_fd fd(from.take_parent_end(0)); fd.get() >= 0) {
            input_.emplace(strand_, fd.get());
            (void)fd.release();
        }
        for (int child_fd : {1, 2})
            if (os::unique_fd fd(from.take_parent_end(child_fd)); fd.get() >= 0)
                open_stream(child_fd, std::move(fd));
        if (!timer_)
            timer_.emplace(strand_);
    }

    template <class Event>
    void on_strand(Event event)
    {
        asio::dispatch(strand_, [self = this->shared_from_this(), event] { self->act(event(self->fsm_)); });
    }

    void begin(handler_type handler)
    {
        completion_.emplace(std::move(handler), strand_.get_inner_executor());
        if (auto slot = completion_->cancellation_slot(); slot.is_connected())
            slot.assign([weak = this->weak_from_this()](asio::cancellation_type type) {
                if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                    self->on_strand([](output_fsm& fsm) { return fsm.cancel(); });
            });
    }

    void start_timeout()
    {
        if (options_.timeout && !stop_) // a cancellation on another thread may have come before
            arm(*options_.timeout, [this] { act(fsm_.timeout()); });
    }

    void start_next()
    {
        children_.async_start(strand_, [self = this->shared_from_this()](error_code ec) { self->one_started(ec); });
    }

    void one_started(error_code ec)
    {
        if (!ec.failed() && children_.has_next() && fsm_.may_start())
            return start_next();
        if (auto const tell = std::exchange(on_running_, {}); tell && !ec.failed())
            tell(children().front().id());
        all_started(ec);
    }

    void all_started(error_code ec)
    {
        children_.start_no_more();
        auto const next = fsm_.started(children().size(), ec);
        if (next != action::finish)
            act(next); // before those that run see a pipe break whose reader never will
        children_.drop_unstarted();
        if (next == action::finish)
            act(next);
        else
            watch();
    }

    // None is reaped before all have been started: its process group would go with it.
    void watch()
    {
        for (std::size_t i = 0; i < children().size(); ++i)
            children()[i].async_wait(
                asio::bind_executor(strand_, [self = this->shared_from_this(), i](error_code ec, exit_status status) {
                    self->child_ended(i, ec, status);
                }));
        if (input_)
            feed();
        for (auto& stream : streams_)
            if (stream)
                read(*stream);
    }

    void child_ended(std::size_t which, error_code ec, exit_status status)
    {
        if (!fsm_.start_failed())
            statuses_[which] = status;
        if (ec.failed()) // it can't be waited for
            (void)children()[which].kill();
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
            stop_.emplace(options_.stop);
            escalate();
            break;
        case action::kill: children_.signal(SIGKILL); break;
        case action::start_grace: arm(options_.drain_grace, [this] { act(fsm_.grace_over()); }); break;
        case action::abandon: abandon(); break;
        case action::finish: finish(fsm_.error()); break;
        }
    }

    void escalate()
    {
        auto const signal = stop_->next(fsm_.ended() ? stop_fsm::child_is::ended : stop_fsm::child_is::running);
        if (!signal)
            return;
        children_.signal(*signal);
        if (stop_->grace())
            arm(*stop_->grace(), [this] { escalate(); });
    }

    void finish(error_code ec)
    {
        timer_.reset();
        input_.reset();
        run_result all;
        all.statuses = std::move(statuses_);
        all.truncated = is_truncated();
        if (!children().empty())
            all.usage = children().front().usage();
        if (auto& out = streams_[0])
            all.out = out->text.release();
        if (auto& err = streams_[1])
            all.err = err->text.release();
        streams_ = {};
        completion_->post(ec, told<Value>(std::move(all)));
    }

    template <class Function>
    void arm(duration time, Function over)
    {
        timer_->expires_after(std::max(time, duration::zero()));
        timer_->async_wait([self = this->shared_from_this(), over](error_code ec) {
            if (!ec.failed())
                over();
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
    run_children children_;
    std::function<void(pid_t)> on_running_;
    std::optional<basic_completion<Value>> completion_;
    output_fsm fsm_;
    std::optional<stop_fsm> stop_;
    std::optional<timer> timer_; // the timeout's, then the stop plan's, then the drain grace's
    std::optional<descriptor> input_;
    std::array<std::optional<captured_stream>, 2> streams_;
    bool abandoned_ = false;
    std::vector<exit_status> statuses_;
};

} // namespace brood::detail

#endif
