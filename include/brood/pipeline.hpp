// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_PIPELINE_HPP
#define BROOD_PIPELINE_HPP

#include <brood/output.hpp>

#include <functional>
#include <iosfwd>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace brood {

/// Commands of which each reads what the one before it writes: `command("zcat", file) | command("wc", "-l")`.
/**
 * A copyable value, as a command is. Between two stages there is a pipe: a stage but the last may not set its
 * standard output, and one but the first not its standard input, or the spawn gives `invalid_argument`.
 *
 * The stages that set neither a process group nor a session share a new process group, led by the first of them.
 *
 * @par Thread safety
 * That of a container.
 */
class pipeline {
public:
    /// One stage.
    pipeline(command only) { stages_.push_back(std::move(only)); }

    /// Any number of stages, but one at least.
    explicit pipeline(std::vector<command> stages) : stages_(std::move(stages)) {}

    /// Where the standard error of every stage leads that does not set its own. A file is opened once for all.
    pipeline& err(stdio io)
    {
        err_ = std::move(io);
        return *this;
    }

    /// Joins two. `err` is the left one's, or the right one's where the left one has none.
    friend pipeline operator|(pipeline left, pipeline right)
    {
        auto& from = right.stages_;
        left.stages_.insert(
            left.stages_.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
        if (!left.err_)
            left.err_ = std::move(right.err_);
        return left;
    }

    std::vector<command> const& stages() const noexcept { return stages_; }  ///< In the order of the data.
    std::optional<stdio> const& shared_err() const noexcept { return err_; } ///< What `err` has set.

    /// Prints the stages, joined by ` | `.
    BROOD_API friend std::ostream& operator<<(std::ostream& out, pipeline const& line);

private:
    std::vector<command> stages_;
    std::optional<stdio> err_;
};

/// Joins two commands.
inline pipeline operator|(command left, command right)
{
    return pipeline(std::move(left)) | pipeline(std::move(right));
}

/// How each stage ended, and what came out. A stream that was not captured is empty.
struct pipeline_output {
    std::vector<exit_status> statuses; ///< One for each stage.
    std::string out;                   ///< What the last stage wrote.
    std::string err;                   ///< What the stages wrote that share the captured standard error.
    bool truncated = false;            ///< `output_options::limit` has cut something off.
};

namespace detail {

using statuses_handler = asio::any_completion_handler<void(error_code, std::vector<exit_status>)>;
using pipeline_handler = asio::any_completion_handler<void(error_code, pipeline_output)>;

BROOD_API void async_run(asio::any_io_executor const& executor, pipeline line, statuses_handler handler);
BROOD_API void
async_output(asio::any_io_executor const& executor, pipeline line, output_options options, pipeline_handler handler);

/// Has each stage spawned in turn, with its pipes and its process group. The first failure is the last spawn.
/**
 * None of them may be reaped before all are spawned: the group would go with its leader. Stages that are prepared only
 * have no ids yet, and are told to lead a group each.
 */
BROOD_API error_code
spawn_stages(pipeline const& line, std::function<result<pid_t>(command const& stage)> const& spawn_one);

/// Ends the stages that run already. They are dying, so the waits are short.
template <class Executor>
void end_now(std::vector<basic_child<Executor>>& children)
{
    for (auto& one : children)
        (void)one.kill();
    for (auto& one : children)
        (void)one.wait();
}

template <class Executor>
result<std::vector<basic_child<Executor>>> spawn_on(Executor const& executor, pipeline const& line)
{
    std::vector<basic_child<Executor>> children;
    auto const ec = spawn_stages(line, [&](command const& stage) -> result<pid_t> {
        auto made = detail::spawn_on(executor, stage);
        if (!made)
            return made.error();
        children.push_back(std::move(made).value());
        return children.back().id();
    });
    if (!ec.failed())
        return children;
    end_now(children);
    return ec;
}

template <class Executor>
struct initiate_pipeline_run : initiate_run<Executor> {
    template <class Handler>
    void operator()(Handler&& handler, pipeline line) const
    {
        detail::async_run(this->executor, std::move(line), std::forward<Handler>(handler));
    }
};

template <class Executor>
struct initiate_pipeline_output : initiate_output<Executor> {
    template <class Handler>
    void operator()(Handler&& handler, pipeline line, output_options options) const
    {
        detail::async_output(this->executor, std::move(line), std::move(options), std::forward<Handler>(handler));
    }
};

} // namespace detail

/// Starts every stage of a pipeline, from the first to the last, and gives their children in that order.
/**
 * The ends that are `piped()` are those of the children: `front().in()`, `back().out()`. A failure leaves nothing
 * behind: the stages that run already are killed and reaped before it is told.
 *
 * A signal to the whole group, by `signal_group` or `async_stop`, goes through the child that leads it.
 *
 * @par Errors
 * Those of `spawn`; `invalid_argument` for an inner stream that is set, and for `pipeline::err(stdio::piped())`,
 * which `async_output` alone can read.
 */
template <detail::executor Executor>
result<std::vector<basic_child<Executor>>> spawn(Executor const& executor, pipeline const& line)
{
    return detail::spawn_on(executor, line);
}

/// The same on the executor of an execution context.
template <detail::execution_context ExecutionContext>
result<std::vector<child>> spawn(ExecutionContext& context, pipeline const& line)
{
    return detail::spawn_on<asio::any_io_executor>(context.get_executor(), line);
}

/// Starts a pipeline and waits for the end of all its stages. It completes only once no child is left.
/**
 * The stages are started one after the other, and none of that holds the calling thread. What they say is checked, and
 * files that they name are opened, before this returns. Once the pipeline is to end, no further stage is started.
 *
 * @par Completion Signature
 * @code void(error_code, std::vector<exit_status>) @endcode
 * One status for each stage, with an error too; that of a stage that never ran is no status (`exit_status()`).
 *
 * @par Errors
 * As `async_run` of a command, and as `spawn` of a pipeline.
 *
 * @par Per-Operation Cancellation
 * `terminal`, `partial` and `total`. The first one stops all stages together by the default `stop_plan`, a second
 * one kills them at once. The operation then ends with `asio::error::operation_aborted`.
 */
template <detail::executor Executor, class CompletionToken = detail::default_token<Executor>>
auto async_run(Executor const& executor, pipeline line, CompletionToken&& token = {})
{
    return asio::async_initiate<CompletionToken, void(error_code, std::vector<exit_status>)>(
        detail::initiate_pipeline_run<Executor>{{executor}}, token, std::move(line));
}

/// The same on the executor of an execution context.
template <detail::execution_context ExecutionContext, class CompletionToken = asio::deferred_t>
auto async_run(ExecutionContext& context, pipeline line, CompletionToken&& token = {})
{
    return brood::async_run(
        asio::any_io_executor(context.get_executor()), std::move(line), std::forward<CompletionToken>(token));
}

/// Starts a pipeline, feeds its first stage, captures what comes out, and waits for the end of all its stages.
/**
 * As `async_output` of a command: the first stage's standard input is `options.input`, the last one's standard
 * output is captured, and so is the standard error, in one text, of every stage that does not set its own, unless
 * `pipeline::err` leads that elsewhere. The timeout and the stop plan are for all stages together.
 *
 * @par Completion Signature
 * @code void(error_code, pipeline_output) @endcode
 *
 * @par Errors
 * As `async_output` of a command, and as `spawn` of a pipeline; a stage may not have a `piped()` standard error of
 * its own.
 *
 * @par Per-Operation Cancellation
 * As `async_output` of a command, for all stages together.
 */
template <detail::executor Executor, class CompletionToken = detail::default_token<Executor>>
auto async_output(Executor const& executor, pipeline line, output_options options, CompletionToken&& token = {})
{
    return asio::async_initiate<CompletionToken, void(error_code, pipeline_output)>(
        detail::initiate_pipeline_output<Executor>{{executor}}, token, std::move(line), std::move(options));
}

/// The same with default options.
template <detail::executor Executor, detail::not_options CompletionToken = detail::default_token<Executor>>
auto async_output(Executor const& executor, pipeline line, CompletionToken&& token = {})
{
    return brood::async_output(executor, std::move(line), output_options(), std::forward<CompletionToken>(token));
}

/// The same on the executor of an execution context.
template <detail::execution_context ExecutionContext, class CompletionToken = asio::deferred_t>
auto async_output(ExecutionContext& context, pipeline line, output_options options, CompletionToken&& token = {})
{
    return brood::async_output(
        asio::any_io_executor(context.get_executor()), std::move(line), std::move(options),
        std::forward<CompletionToken>(token));
}

/// The same on the executor of an execution context, with default options.
template <detail::execution_context ExecutionContext, detail::not_options CompletionToken = asio::deferred_t>
auto async_output(ExecutionContext& context, pipeline line, CompletionToken&& token = {})
{
    return brood::async_output(
        asio::any_io_executor(context.get_executor()), std::move(line), output_options(),
        std::forward<CompletionToken>(token));
}

} // namespace brood

#endif
