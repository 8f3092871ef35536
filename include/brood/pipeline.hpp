// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_PIPELINE_HPP
#define BROOD_PIPELINE_HPP

#include <brood/run.hpp>
#include <brood/spawn.hpp>

#include <functional>
#include <iosfwd>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace brood {

/// Commands that are connected by pipes: `command("zcat", file) | command("wc", "-l")`. A copyable value.
/**
 * Only the first stage may set its standard input and only the last stage its standard output; other settings of these
 * streams fail with `invalid_argument`.
 *
 * The stages that set neither a process group nor a session share a new process group, which the first of them leads.
 * If other code or the kernel (SIGCHLD is ignored) has reaped the leader already, the later stages share another group.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: const member functions are safe.
 */
class pipeline {
public:
    /// A pipeline of one stage.
    pipeline(command only) { stages_.push_back(std::move(only)); }

    /// A pipeline of at least one stage.
    explicit pipeline(std::vector<command> stages) : stages_(std::move(stages)) {}

    /// The standard error of every stage that does not set its own. A file is opened once for all stages.
    pipeline& err(stdio io) &
    {
        err_ = std::move(io);
        return *this;
    }
    pipeline&& err(stdio io) && { return std::move(err(std::move(io))); }

    /// Ends everything that the stages start when the last of them has ended. See `command::contained`.
    /**
     * The stages have one cgroup. What a stage has started may run on after its end, until the last stage ends. Killing
     * a child kills what it has started.
     *
     * Where a guard is needed, each stage has its own, and what a stage has started ends with the stage.
     */
    pipeline& contained() &
    {
        contained_ = true;
        return *this;
    }
    pipeline&& contained() && { return std::move(contained()); }

    /// Connects two pipelines. `err` is the left one's, or the right one's if the left one has none. They are contained
    /// if one of them is.
    friend pipeline operator|(pipeline left, pipeline right)
    {
        auto& from = right.stages_;
        left.stages_.insert(
            left.stages_.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
        if (!left.err_)
            left.err_ = std::move(right.err_);
        left.contained_ = left.contained_ || right.contained_;
        return left;
    }

    std::vector<command> const& stages() const noexcept { return stages_; }  ///< From the first to the last.
    std::optional<stdio> const& shared_err() const noexcept { return err_; } ///< The argument of `err`.
    bool is_contained() const noexcept { return contained_; }                ///< Whether `contained` was called.

    /// Prints the stages, joined by ` | `.
    BROOD_API friend std::ostream& operator<<(std::ostream& out, pipeline const& line);

private:
    std::vector<command> stages_;
    std::optional<stdio> err_;
    bool contained_ = false;
};

/// Connects two commands.
inline pipeline operator|(command left, command right)
{
    return pipeline(std::move(left)) | pipeline(std::move(right));
}

/// The exit statuses of a pipeline and its captured output. A stream that was not captured is empty.
struct pipeline_output {
    std::vector<exit_status> statuses; ///< One for each stage.
    std::string out;                   ///< The output of the last stage.
    std::string err;                   ///< The standard error of all stages that share it.
    bool truncated = false;            ///< Data beyond `output_options::limit` was discarded.

    /// The sum of all stages, and the largest `max_rss` of them. Empty if a status was lost.
    std::optional<resource_usage> usage;
    duration elapsed{};                          ///< From the start of the first spawn to the end of the last child.
    std::optional<brood::tree_usage> tree_usage; ///< Of `pipeline::contained` with a cgroup.
    bool out_of_memory = false;                  ///< As `output::out_of_memory`, for any stage.
};

namespace detail {

using statuses_handler = boost::asio::any_completion_handler<void(error_code, std::vector<exit_status>)>;
using pipeline_handler = boost::asio::any_completion_handler<void(error_code, pipeline_output)>;
using stages_handler = boost::asio::any_completion_handler<void(error_code, std::vector<child_owner>)>;

BROOD_API void
async_run(boost::asio::any_io_executor const& executor, pipeline line, run_options options, statuses_handler handler);
BROOD_API void async_output(
    boost::asio::any_io_executor const& executor, pipeline line, output_options options, pipeline_handler handler);

/// Starts the stages one after the other. `make_streams` creates the streams of each before the function returns.
BROOD_API void async_spawn_stages(
    boost::asio::any_io_executor const& executor, pipeline const& line, streams_factory const& make_streams,
    stages_handler handler);

/// Calls `spawn_one` for each stage with its pipes and its process group set. Stops at the first failure.
/**
 * No stage may be reaped before all have been spawned, because the group ends with its leader. If `spawn_one` only
 * prepares the stage, it returns 0 and each stage is set to lead a group.
 */
BROOD_API error_code
spawn_stages(pipeline const& line, std::function<result<pid_t>(command const& stage)> const& spawn_one);

template <class Executor>
result<std::vector<basic_child<Executor>>> spawn_on(Executor const& executor, pipeline const& line)
{
    std::vector<basic_child<Executor>> children;
    auto const error = spawn_stages(line, [&](command const& stage) -> result<pid_t> {
        auto child = detail::spawn_on(executor, stage);
        if (!child)
            return child.error();
        children.push_back(std::move(child).value());
        return children.back().id();
    });
    if (!error.failed())
        return children;
    std::erase_if(children, [](auto& child) { return !child.kill(); }); // such a child may never end
    for (auto& child : children)
        (void)child.wait();
    return error;
}

} // namespace detail

/// Starts every stage of a pipeline. The first argument is an executor or an execution context.
/**
 * The children are returned in the order of the stages. The `piped()` ends belong to the children: `front().in()`,
 * `back().out()`. If a stage fails to start, the earlier stages are killed and reaped before the function returns.
 * One that this process may not signal is reaped in the background when it ends.
 *
 * A signal to the whole group is sent through the child that leads it (`signal_group`, `async_stop`).
 *
 * @par Errors
 * Those of `spawn`; `invalid_argument` if an inner stream is set, and for `pipeline::err(stdio::piped())`, which only
 * `async_output` supports.
 */
template <detail::executor_or_context Source>
result<std::vector<basic_child<detail::executor_for<Source>>>> spawn(Source&& source, pipeline const& line)
{
    return detail::spawn_on(detail::get_executor(source), line);
}

/// Starts every stage of a pipeline without blocking the calling thread. The first argument is an executor or a
/// context.
/**
 * As `spawn` of a pipeline and `async_spawn` of a command. The stages are started one after the other. If one fails to
 * start, the operation completes after the earlier stages have been killed and reaped.
 *
 * @par Completion Signature
 * @code void(error_code, std::vector<basic_child<Executor>>) @endcode
 *
 * @par Errors
 * Those of `spawn` of a pipeline.
 *
 * @par Per-Operation Cancellation
 * `terminal`, `partial` and `total`. The children are killed. The operation completes with
 * `asio::error::operation_aborted` after they have been reaped.
 */
template <
    detail::executor_or_context Source, class CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_spawn(Source&& source, pipeline line, CompletionToken&& token = {})
{
    using executor_type = detail::executor_for<Source>;
    using children_type = std::vector<basic_child<executor_type>>;
    executor_type const executor = detail::get_executor(source);
    return detail::initiate<void(error_code, children_type)>(
        executor, std::forward<CompletionToken>(token), [executor, line = std::move(line)](auto&& handler) {
            auto to_children = [executor](auto&& wrapped, error_code ec, std::vector<detail::child_owner> owners) {
                children_type children;
                children.reserve(owners.size());
                for (auto& owner : owners)
                    children.emplace_back(executor, std::move(owner));
                std::move(wrapped)(ec, std::move(children));
            };
            detail::async_spawn_stages(
                executor, line, detail::streams_on(executor),
                detail::wrap_handler(std::forward<decltype(handler)>(handler), std::move(to_children)));
        });
}

/// Starts a pipeline and waits for the end of all stages. The first argument is an executor or a context.
/**
 * The stages are started one after the other, without blocking. The commands are validated, and the files that they
 * name are opened, before the initiating function returns. After a stop, no further stage is started. The operation
 * completes after all children have been reaped.
 *
 * @par Completion Signature
 * @code void(error_code, std::vector<exit_status>) @endcode
 * One status for each stage, with an error, too. The status of a stage that was not started is `exit_status()`.
 *
 * @par Errors
 * Those of `async_run` of a command and of `spawn` of a pipeline.
 *
 * @par Per-Operation Cancellation
 * `terminal`, `partial` and `total`. The first cancellation stops all stages by the stop plan, the second kills them at
 * once. The operation completes with `asio::error::operation_aborted`.
 */
template <
    detail::executor_or_context Source, class CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_run(Source&& source, pipeline line, run_options options, CompletionToken&& token = {})
{
    auto const executor = detail::get_executor(source);
    return detail::initiate<void(error_code, std::vector<exit_status>)>(
        executor, std::forward<CompletionToken>(token),
        [executor, line = std::move(line), options = std::move(options)](auto&& handler) mutable {
            detail::async_run(executor, std::move(line), std::move(options), std::forward<decltype(handler)>(handler));
        });
}

/// Starts a pipeline and waits for the end of all stages, with the default options.
template <
    detail::executor_or_context Source,
    detail::not_run_options CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_run(Source&& source, pipeline line, CompletionToken&& token = {})
{
    return brood::async_run(source, std::move(line), run_options(), std::forward<CompletionToken>(token));
}

/// Starts a pipeline, captures its output and waits for the end of all stages.
/**
 * As `async_output` of a command. The first stage reads `output_options::input`. The standard output of the last stage
 * is captured. The standard error of every stage that does not set its own is captured in one text, unless
 * `pipeline::err` is set. The timeout and the stop plan apply to all stages together.
 *
 * @par Completion Signature
 * @code void(error_code, pipeline_output) @endcode
 *
 * @par Errors
 * Those of `async_output` of a command and of `spawn` of a pipeline; `invalid_argument` if a stage sets its standard
 * error to `piped()`.
 *
 * @par Per-Operation Cancellation
 * As `async_output` of a command, for all stages together.
 */
template <
    detail::executor_or_context Source, class CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_output(Source&& source, pipeline line, output_options options, CompletionToken&& token = {})
{
    auto const executor = detail::get_executor(source);
    return detail::initiate<void(error_code, pipeline_output)>(
        executor, std::forward<CompletionToken>(token),
        [executor, line = std::move(line), options = std::move(options)](auto&& handler) mutable {
            detail::async_output(
                executor, std::move(line), std::move(options), std::forward<decltype(handler)>(handler));
        });
}

/// Captures the output of a pipeline with the default options.
template <
    detail::executor_or_context Source,
    detail::not_output_options CompletionToken = detail::default_token<detail::executor_for<Source>>>
auto async_output(Source&& source, pipeline line, CompletionToken&& token = {})
{
    return brood::async_output(source, std::move(line), output_options(), std::forward<CompletionToken>(token));
}

/// Does not compile, and says why: the options come before the completion token.
template <detail::executor_or_context Source, detail::not_run_options CompletionToken>
auto async_run(Source&&, pipeline, CompletionToken&&, run_options)
{
    return detail::options_after_token<CompletionToken>();
}

/// Does not compile, and says why: the options come before the completion token.
template <detail::executor_or_context Source, detail::not_output_options CompletionToken>
auto async_output(Source&&, pipeline, CompletionToken&&, output_options)
{
    return detail::options_after_token<CompletionToken>();
}

} // namespace brood

#endif
