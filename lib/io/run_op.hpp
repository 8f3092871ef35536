// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_RUN_OP_HPP
#define BROOD_LIB_IO_RUN_OP_HPP

#include "child/completion.hpp"
#include "child/stop_fsm.hpp"
#include "io/capture.hpp"
#include "io/output_fsm.hpp"
#include "io/run_children.hpp"
#include "io/run_result.hpp"
#include "os/unique_fd.hpp"

#include <brood/pipeline.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/strand.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace brood::detail {

/// A command's child, or all those of a pipeline, from the start to the end. The piped streams are captured.
/**
 * Its parts run on a strand, and keep it alive while they are pending. The end is told by what derives from it.
 */
class run_op : public std::enable_shared_from_this<run_op> {
public:
    run_op(asio::any_io_executor const& executor, std::size_t children, output_options options);
    virtual ~run_op() = default;

    run_op(run_op const&) = delete;
    run_op& operator=(run_op const&) = delete;

    /// Captures standard error from elsewhere than a child's own pipe.
    error_code capture_err(os::unique_fd from);

    /// Starts the child of a command, or the children of a pipeline, and runs them to their end.
    /**
     * The first one is started in here, as far as that goes without waiting. `on_running` gets its id when all run.
     */
    void run(command const& cmd, std::function<void(pid_t)> on_running = {});
    void run(pipeline const& line);

    /// Starts a command's child, and waits for that. `run_started` comes next.
    error_code start_now(command const& cmd);
    void run_started();

    /// Instead of `run`.
    void fail(error_code ec) { finish(ec); }

    std::vector<child>& children() noexcept { return children_.all(); }

    /// By the stop plan. From any thread, as `kill`, and neither is an error.
    void stop();

    /// In here, even where nobody runs the event loop.
    void kill();

protected:
    asio::any_io_executor executor() const { return strand_.get_inner_executor(); }

    /// Lets a cancellation stop the children, and a second one kill them. Before they are run.
    void connect(asio::cancellation_slot slot);

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

    virtual void tell(error_code ec, run_result all) = 0;

    template <class What>
    void start_all(What const& what);
    template <class Event>
    void on_strand(Event event);
    template <class Function>
    void arm(duration time, Function over);

    void start_timeout();
    void start_next();
    void one_started(error_code ec);
    void all_started(error_code ec);
    void watch();
    void child_ended(std::size_t which, error_code ec, exit_status status);
    void act(action what);
    void escalate();
    void finish(error_code ec);

    // The streams: run_streams.cpp.
    void open_stream(int child_fd, os::unique_fd fd);
    void open_streams(prepared_spawn& from);
    void start_streams();
    void feed();
    void read(captured_stream& from);
    void took(captured_stream& from, error_code ec, std::size_t count);
    void sweep(captured_stream& from);
    void keep(captured_stream& from, std::size_t count);
    void out_of_memory(captured_stream& from);
    void end(captured_stream& stream, bool complete);
    void abandon();
    void release_streams(run_result& to);

    strand strand_; // guards everything below
    output_options options_;
    run_children children_;
    std::function<void(pid_t)> on_running_;
    output_fsm fsm_;
    std::optional<stop_fsm> stop_;
    std::optional<timer> timer_; // the timeout's, then the stop plan's, then the drain grace's
    std::optional<descriptor> input_;
    std::array<std::optional<captured_stream>, 2> streams_;
    bool abandoned_ = false;
    std::vector<exit_status> statuses_;
};

/// A run whose end is told as a `Value`: the output or the status alone, of one child or of the stages.
template <class Value>
class run_telling final : public run_op {
public:
    using handler_type = typename basic_completion<Value>::handler_type;
    using run_op::run_op;

    /// Before anything else.
    void tell_to(handler_type handler)
    {
        completion_.emplace(std::move(handler), executor());
        if (auto slot = completion_->cancellation_slot(); slot.is_connected())
            connect(slot);
    }

private:
    void tell(error_code ec, run_result all) override { completion_->post(ec, told<Value>(std::move(all))); }

    std::optional<basic_completion<Value>> completion_;
};

} // namespace brood::detail

#endif
