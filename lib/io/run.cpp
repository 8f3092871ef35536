// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/completion.hpp"

#include <brood/output.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/strand.hpp>

#include <cerrno>
#include <optional>

namespace brood::detail {
namespace {

/// A child from its spawn to its end, stopped on cancellation.
class run_op : public std::enable_shared_from_this<run_op> {
public:
    run_op(asio::any_io_executor const& executor, child child, completion then)
        : strand_(asio::make_strand(executor)), child_(std::move(child)), completion_(std::move(then))
    {}

    void start()
    {
        if (auto slot = completion_.cancellation_slot(); slot.is_connected())
            slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
                if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                    asio::dispatch(self->strand_, [self] { self->cancel(); });
            });
        child_.async_wait(asio::bind_executor(
            strand_, [self = shared_from_this()](error_code ec, exit_status status) { self->finish(ec, status); }));
    }

private:
    void cancel()
    {
        if (std::exchange(cancelled_, true))
            (void)child_.kill();
        else
            child_.async_stop(
                stop_plan(), asio::bind_executor(strand_, [self = shared_from_this()](error_code, exit_status) {}));
    }

    void finish(error_code ec, exit_status status)
    {
        if (cancelled_ && !ec.failed())
            ec = asio::error::operation_aborted;
        completion_.post(ec, status);
    }

    asio::strand<asio::any_io_executor> strand_; // guards everything below
    child child_;
    completion completion_;
    bool cancelled_ = false;
};

error_code refuse_pipes(command const& cmd)
{
    for (auto const& [fd, io] : cmd.data().descriptors)
        if (io.from() == stdio::source::piped)
            return make_error_code(spawn_stage::stdio, EINVAL);
    return {};
}

} // namespace

void async_run(asio::any_io_executor const& executor, command cmd, wait_handler handler)
{
    completion then(std::move(handler), executor);
    if (auto ec = refuse_pipes(cmd); ec.failed())
        return then.post(ec, exit_status());
    auto spawned = spawn(executor, cmd);
    if (!spawned)
        return then.post(spawned.error(), exit_status());
    std::make_shared<run_op>(executor, std::move(spawned).value(), std::move(then))->start();
}

} // namespace brood::detail
