// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_RUN_RUN_OP_HPP
#define BROOD_LIB_RUN_RUN_OP_HPP

#include "os/unique_fd.hpp"
#include "process/completion.hpp"
#include "process/stop_op.hpp"
#include "run/output_buffer.hpp"
#include "run/run_children.hpp"
#include "run/run_fsm.hpp"
#include "run/run_result.hpp"
#include "watch/watch.hpp"

#include <brood/child_group.hpp>
#include <brood/pipeline.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <array>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace brood::detail {

/// Runs the child of a command, or those of a pipeline, to their end, and captures their piped streams.
/**
 * Its parts run on a strand and keep it alive while they are pending. The derived class completes the operation.
 */
class run_op : public std::enable_shared_from_this<run_op>, public stop_target {
public:
    run_op(asio::any_io_executor const& executor, std::size_t children, output_settings settings);
    virtual ~run_op() = default;

    run_op(run_op const&) = delete;
    run_op& operator=(run_op const&) = delete;

    /// Captures standard error from a pipe that the stages share.
    error_code capture_err(os::unique_fd read_end);

    /// The child of a command keeps its streams instead of being fed and captured. Called before `run` or `start_now`;
    /// null has no effect.
    void leave_streams(streams_factory create) { child_streams_ = std::move(create); }

    /// Starts the child of a command, or the children of a pipeline, and runs them to their end.
    /**
     * The first start begins before the function returns. `on_running` is called with the first child after all
     * have been started.
     */
    void run(command const& cmd, std::function<void(child_ptr const&)> on_running = {});
    void run(pipeline const& line);

    /// Starts the child of a command and returns after its exec. `run_started` must follow.
    error_code start_now(command const& cmd);
    void run_started();

    /// Takes over a child that already runs, and the parent's ends of its standard streams. `run_started` must follow.
    error_code adopt(child_ptr child, std::array<os::unique_fd, 3> ends);

    /// Completes the operation instead of `run`.
    void fail(error_code error) { finish(error, completion_mode::post); }

    std::vector<child_owner>& children() noexcept { return children_.started(); }

    /// Another owner of the child. It decides what becomes of the child when its handle is gone.
    child_owner share_child() { return children_.share(); }

    /// Stops the children by the stop plan. The operation reports no error for this. May be called from any thread.
    void stop();

    /// Kills the children before it returns, even if no thread runs the event loop. May be called from any thread.
    void kill();

protected:
    asio::any_io_executor executor() const { return strand_.get_inner_executor(); }

    /// The first cancellation stops the children, the second kills them. Called before `run`.
    void connect(asio::cancellation_slot slot);

private:
    using descriptor = asio::posix::basic_stream_descriptor<strand>;
    using action = run_fsm::action;

    struct captured_stream {
        captured_stream(strand const& executor, int fd, std::size_t limit, output_sink to)
            : pipe(executor, fd), text(limit, !to), sink(std::move(to))
        {}

        descriptor pipe;
        output_buffer text;
        output_sink sink;
        std::string line; // the beginning of one that has not ended
    };

    virtual void complete(error_code error, run_result all, completion_mode mode) = 0;

    template <class What>
    void start_all(What const& what);
    template <class Event>
    void post_event(Event event);
    template <class Function>
    void arm_timer(duration time, Function expired);

    void start_timeout();
    void start_grace();
    bool start_unreported();
    void start_next();
    void on_started(error_code error);
    void on_all_started(error_code error);
    void wait_for_children();
    void on_child_ended(std::size_t index, error_code error, exit_status status, completion_mode mode);
    void act(action what, completion_mode mode = completion_mode::post);
    void finish(error_code error, completion_mode mode);
    bool has_ended() const override { return fsm_.ended(); }
    bool send_stop_signal(int signal) override;
    void signal_children(int number);

    // The streams: run_streams.cpp.
    void open_stream(int child_fd, os::unique_fd fd);
    result<std::unique_ptr<streams_base>> open_streams(prepared_spawn& from, command const& cmd);
    void open_streams(std::array<os::unique_fd, 3> ends);
    void start_streams();
    void feed();
    void fail_input(error_code error);
    void read(captured_stream& from);
    void on_read(captured_stream& from, error_code error, std::size_t count);
    void read_remainder(captured_stream& from);
    void keep(captured_stream& from, std::size_t count);
    void pass(captured_stream& from, std::string_view piece);
    void pass_lines(captured_stream& from, std::string_view piece);
    void call(output_sink& sink, std::string_view text);
    void rethrow();
    void out_of_memory(captured_stream& from);
    void close(captured_stream& stream, bool complete);
    void abandon_streams();
    void release_streams(run_result& to);

    strand strand_; // guards everything below
    output_settings settings_;
    asio::const_buffer input_left_;
    std::chrono::steady_clock::time_point started_; // zero until then
    duration elapsed_{};
    run_children children_;
    std::function<void(child_ptr const&)> on_running_;
    streams_factory child_streams_; // set if the child keeps its streams
    run_fsm fsm_;
    std::optional<strand_timer> timer_; // for the timeout, then the stop plan, then the drain grace
    std::optional<stopper> stopper_;
    std::optional<descriptor> input_;
    std::array<std::optional<captured_stream>, 2> streams_;
    bool abandoned_ = false;
    std::exception_ptr thrown_; // by a function of the options
    std::vector<exit_status> statuses_;
};

/// A run that completes with a `Value`: the output or the status only, of one child or of all stages.
template <class Value>
class typed_run_op final : public run_op {
public:
    using handler_type = typename basic_completion<Value>::handler_type;
    using run_op::run_op;

    /// Called before anything else.
    void set_handler(handler_type handler)
    {
        completion_.emplace(std::move(handler), executor());
        if (auto slot = completion_->cancellation_slot(); slot.is_connected())
            connect(slot);
    }

    /// Destroys the handler without calling it. Queued functions may still own the run.
    void drop_handler() noexcept { completion_.reset(); }

private:
    void complete(error_code error, run_result all, completion_mode mode) override
    {
        if (!completion_)
            return;
        if (mode == completion_mode::dispatch)
            completion_->dispatch(error, to_value<Value>(std::move(all)));
        else
            completion_->post(error, to_value<Value>(std::move(all)));
    }

    std::optional<basic_completion<Value>> completion_;
};

} // namespace brood::detail

#endif
