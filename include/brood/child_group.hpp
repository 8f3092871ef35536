// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_CHILD_GROUP_HPP
#define BROOD_CHILD_GROUP_HPP

#include <brood/output.hpp>

#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include <sys/types.h>

namespace brood {

/// What a child that fails does to the others of its group. A status other than 0, a signal or an error is failure.
enum class failure_policy {
    carry_on,  ///< Nothing.
    stop_rest, ///< They are stopped, and none starts any more.
};

/// How a `child_group` runs its children. Set what differs from the default: `group_options o; o.limit = 8;`
struct group_options {
    /// How many run at once; 0 is `invalid_argument` at each spawn. Default: no limit.
    std::size_t limit = std::numeric_limits<std::size_t>::max();

    /// What a child that fails does to the others.
    failure_policy on_failure = failure_policy::carry_on;

    /// How many bytes are kept of each stream that is captured. Default: no limit.
    std::size_t output_limit = std::numeric_limits<std::size_t>::max();

    /// What happens over that limit; `errc::output_limit_exceeded` comes with the result of a child that is stopped.
    limit_policy on_output_limit = limit_policy::stop_child;

    /// How long each child may take, from its start on, before it is stopped; `errc::timed_out` comes with its result.
    std::optional<duration> timeout;

    /// How long captured streams are read on after a child's end: see `output_options::drain_grace`.
    duration drain_grace = std::chrono::seconds(1);

    /// How each child is stopped, as by `basic_child::async_stop`.
    stop_plan stop;
};

/// One child of a group.
struct group_child {
    /// Its place in the order of spawning, from 0. A spawn that failed is not counted.
    std::size_t index = 0;

    /// The process id. After the end it may name another process.
    pid_t id = 0;
};

/// How a child of a group has ended, and what it wrote to the streams that were captured.
struct group_result : group_child, output {
    /// What it used; nothing where its end could not be learnt.
    std::optional<resource_usage> usage;
};

namespace detail {

class group_state;
using group_ptr = std::shared_ptr<group_state>;
using group_spawn_handler = asio::any_completion_handler<void(error_code, group_child)>;
using group_next_handler = asio::any_completion_handler<void(error_code, group_result)>;
using group_wait_handler = asio::any_completion_handler<void(error_code)>;

/// All of a group but what depends on its executor's type.
class BROOD_API group_handle {
public:
    group_handle(asio::any_io_executor const& executor, group_options options);
    ~group_handle();

    group_handle(group_handle const&) = delete;
    group_handle& operator=(group_handle const&) = delete;

    std::size_t running() const;
    result<group_child> spawn(command const& cmd);

    group_ptr const& state() const noexcept { return state_; }

private:
    group_ptr state_;
};

BROOD_API void async_spawn(group_ptr const& group, command cmd, group_spawn_handler handler);
BROOD_API void async_next(group_ptr const& group, group_next_handler handler);
BROOD_API void async_wait_all(group_ptr const& group, group_wait_handler handler);
BROOD_API void async_stop(group_ptr const& group, group_wait_handler handler);

template <class Executor>
struct initiate_group_spawn : initiate_on<Executor, group_ptr> {
    template <class Handler>
    void operator()(Handler&& handler, command cmd) const
    {
        detail::async_spawn(this->state, std::move(cmd), std::forward<Handler>(handler));
    }
};

template <class Executor>
struct initiate_group_next : initiate_on<Executor, group_ptr> {
    template <class Handler>
    void operator()(Handler&& handler) const
    {
        detail::async_next(this->state, std::forward<Handler>(handler));
    }
};

template <class Executor>
struct initiate_group_wait : initiate_on<Executor, group_ptr> {
    template <class Handler>
    void operator()(Handler&& handler) const
    {
        detail::async_wait_all(this->state, std::forward<Handler>(handler));
    }
};

template <class Executor>
struct initiate_group_stop : initiate_on<Executor, group_ptr> {
    template <class Handler>
    void operator()(Handler&& handler) const
    {
        detail::async_stop(this->state, std::forward<Handler>(handler));
    }
};

} // namespace detail

/// Children that belong to a scope: none of them outlives it. Neither copied nor moved.
/**
 * @code
 * brood::group_options options;
 * options.limit = 8;
 * brood::child_group group(executor, options);
 * for (auto const& input : inputs)
 *     co_await group.async_spawn(brood::command("convert", input));
 * co_await group.async_wait_all();
 * @endcode
 *
 * An `out` or `err` that is `piped()` is captured and comes with the child's result; `err(stdio::same_as(1))` puts
 * both into `out`, in their order. Of many children, no more results are kept than run at once if they are taken so:
 * @code
 * for (std::size_t begun = 0, taken = 0; taken < inputs.size();) {
 *     if (begun < inputs.size() && begun - taken < options.limit) {
 *         brood::command identify("identify", inputs[begun++]);
 *         co_await group.async_spawn(identify.out(brood::stdio::piped()));
 *     } else {
 *         brood::group_result ended = co_await group.async_next();
 *         std::cout << inputs[ended.index] << ": " << ended.status << '\n' << ended.out;
 *         ++taken;
 *     }
 * }
 * @endcode
 *
 * A child runs, and takes its place within the limit, until it has been reaped and its captured streams have ended,
 * `drain_grace` later at most. It is stopped and killed with its own process group where it has one.
 *
 * Once a group has been stopped, by `async_stop`, by a cancelled `async_wait_all` or by its `failure_policy`, it
 * stays so: every later spawn fails with `asio::error::operation_aborted`.
 *
 * Any other `piped()` descriptor, or a terminal, would have nobody at its other end: `invalid_argument`.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: all but destroying may run on several threads at once. Two spawns into one
 * group wait for each other.
 *
 * @par Lifetime
 * The group may be destroyed while operations are pending. Where the event loop is destroyed first, they are
 * destroyed uninvoked; the group can still be destroyed.
 */
template <class Executor = asio::any_io_executor>
class basic_child_group {
public:
    using executor_type = Executor;

    /// The group's type on another type of executor.
    template <class Other>
    struct rebind_executor {
        using other = basic_child_group<Other>;
    };

    /// A group without a child.
    explicit basic_child_group(Executor executor, group_options options = {})
        : executor_(std::move(executor)), handle_(executor_, std::move(options))
    {}

    /// The same on the executor of an execution context.
    template <detail::execution_context ExecutionContext>
    explicit basic_child_group(ExecutionContext& context, group_options options = {})
        : basic_child_group(Executor(context.get_executor()), std::move(options))
    {}

    /// Kills the children that run; they are reaped in the background. Never blocks.
    /**
     * Pending operations end with `asio::error::operation_aborted`: `async_wait_all` and `async_stop` once all
     * children have been reaped, the others at once.
     */
    ~basic_child_group() = default;

    /// Where the children are awaited, and where operations complete that have no executor of their own.
    Executor get_executor() const noexcept { return executor_; }

    /// How many children run or are being spawned now.
    std::size_t running() const { return handle_.running(); }

    /// Spawns a child at once, as `brood::spawn`: the calling thread is held until its program runs.
    /**
     * @par Errors
     * Those of `brood::spawn`; `resource_unavailable_try_again` where as many run, or wait to be started, as may run;
     * `asio::error::operation_aborted` in a group that has been stopped.
     */
    result<group_child> spawn(command const& cmd) { return handle_.spawn(cmd); }

    /// Spawns a child as soon as fewer run than may. First come, first served, and one after the other.
    /**
     * It completes when the child runs, or has failed to; the calling thread is not held meanwhile. A failed spawn is
     * no result, and stops nobody. A child that is being spawned counts as one that runs.
     *
     * @par Completion Signature
     * @code void(error_code, group_child) @endcode
     *
     * @par Errors
     * Those of `brood::spawn`; `asio::error::operation_aborted` in a group that has been or gets stopped.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`: there will be no child. One that is being spawned is killed and reaped first.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_spawn(command cmd, CompletionToken&& token = {})
    {
        return asio::async_initiate<CompletionToken, void(error_code, group_child)>(
            detail::initiate_group_spawn<Executor>{{executor_, handle_.state()}}, token, std::move(cmd));
    }

    /// Gives the next child that has ended, in the order of their ends. Each is given once.
    /**
     * Results are kept until they are taken, with what was captured: a group of many children wants them taken, if
     * only to forget them.
     *
     * @par Completion Signature
     * @code void(error_code, group_result) @endcode
     *
     * @par Errors
     * `asio::error::eof`: all have been given, and no child runs or waits to be spawned. Those of
     * `basic_child::async_wait` and of `async_output`'s capturing about one child, whose result comes too:
     * `asio::as_tuple` shows both.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. The children are left alone, and no result is lost.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_next(CompletionToken&& token = {})
    {
        return asio::async_initiate<CompletionToken, void(error_code, group_result)>(
            detail::initiate_group_next<Executor>{{executor_, handle_.state()}}, token);
    }

    /// Waits until no child runs or waits to be spawned.
    /**
     * How they ended is no error; `async_next` tells it, before or after.
     *
     * @par Completion Signature
     * @code void(error_code) @endcode
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. The first one stops the group, a second one kills the children at once. The
     * operation then ends with `asio::error::operation_aborted`, when all have been reaped.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_wait_all(CompletionToken&& token = {})
    {
        return asio::async_initiate<CompletionToken, void(error_code)>(
            detail::initiate_group_wait<Executor>{{executor_, handle_.state()}}, token);
    }

    /// Stops the group: every child by the stop plan, while those that wait to be spawned are given up.
    /**
     * It completes when all have been reaped.
     *
     * @par Completion Signature
     * @code void(error_code) @endcode
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`: kills the children at once. The operation then ends with
     * `asio::error::operation_aborted`, when all have been reaped.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_stop(CompletionToken&& token = {})
    {
        return asio::async_initiate<CompletionToken, void(error_code)>(
            detail::initiate_group_stop<Executor>{{executor_, handle_.state()}}, token);
    }

private:
    Executor executor_;
    detail::group_handle handle_;
};

/// A group of children on any executor.
using child_group = basic_child_group<>;

} // namespace brood

#endif
