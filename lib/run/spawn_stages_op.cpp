// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/completion.hpp"
#include "process/stop_op.hpp"
#include "run/run_children.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>

#include <algorithm>
#include <memory>
#include <new>

namespace brood::detail {
namespace {

/// Starts the children of a pipeline. Runs on a strand and keeps itself alive while a start or a wait is pending.
class spawn_stages_op : public std::enable_shared_from_this<spawn_stages_op> {
public:
    spawn_stages_op(asio::any_io_executor const& executor, stages_handler handler)
        : strand_(asio::make_strand(executor)), children_(executor), completion_(std::move(handler), executor)
    {}

    void start(pipeline const& line, streams_factory const& make_streams)
    {
        auto const error = children_.prepare_ahead(
            line, [&](prepared_spawn& from, command const& stage) { return make_streams(from, stage.data()); });
        if (error.failed())
            return completion_.post(error, {});
        if (auto slot = completion_.cancellation_slot(); slot.is_connected())
            slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
                if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                    asio::dispatch(self->strand_, [self] { self->cancel(); });
            });
        start_next();
    }

private:
    void start_next()
    {
        try {
            children_.async_start(strand_, [self = shared_from_this()](error_code error) { self->on_started(error); });
        } catch (std::bad_alloc const&) {
            fail(make_error_code(boost::system::errc::not_enough_memory));
        }
    }

    void on_started(error_code error)
    {
        if (cancelled_)
            return fail(asio::error::operation_aborted);
        if (error.failed())
            return fail(error);
        if (children_.has_next())
            return start_next();
        done_ = true;
        completion_.post({}, std::move(children_.started()));
    }

    void cancel()
    {
        if (done_ || std::exchange(cancelled_, true))
            return;
        (void)children_.signal(SIGKILL);
    }

    // A child that cannot be killed may never end. It is reaped in the background.
    void fail(error_code error)
    {
        done_ = true;
        children_.end_starts();
        auto const unreachable = children_.signal(SIGKILL);
        children_.drop_unstarted();
        error_ = error;
        auto& started = children_.started();
        running_ = started.size() - unreachable.size();
        if (running_ == 0)
            return finish();
        for (std::size_t i = 0; i < started.size(); ++i)
            if (std::none_of(unreachable.begin(), unreachable.end(), [i](auto const& each) { return each.index == i; }))
                wait_for(*started[i].get());
    }

    void wait_for(child_interface& child)
    {
        try {
            child.async_wait([self = shared_from_this()](error_code, exit_status) {
                asio::dispatch(self->strand_, [self] { self->on_ended(); });
            });
        } catch (std::bad_alloc const&) {
            on_ended();
        }
    }

    void on_ended()
    {
        if (--running_ == 0)
            finish();
    }

    void finish()
    {
        children_.started().clear();
        completion_.post(error_, {});
    }

    strand strand_; // guards everything below
    run_children children_;
    basic_completion<std::vector<child_owner>> completion_;
    error_code error_;
    std::size_t running_ = 0;
    bool cancelled_ = false;
    bool done_ = false;
};

} // namespace

void async_spawn_stages(
    asio::any_io_executor const& executor, pipeline const& line, streams_factory const& make_streams,
    stages_handler handler)
{
    std::make_shared<spawn_stages_op>(executor, std::move(handler))->start(line, make_streams);
}

} // namespace brood::detail
