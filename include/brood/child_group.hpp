// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_CHILD_GROUP_HPP
#define BROOD_CHILD_GROUP_HPP

#include <brood/child.hpp>
#include <brood/detail/export.hpp>
#include <brood/detail/initiation.hpp>
#include <brood/detail/prepared_spawn.hpp>
#include <brood/detail/wrapped_handler.hpp>
#include <brood/run.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <iosfwd>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include <sys/types.h>

namespace brood {

/// What a failed child does to the other children of its group. A non-zero status, a signal or
/// an error after the spawn is a failure.
enum class failure_policy {
    carry_on,  ///< Nothing.
    stop_rest, ///< The other children are stopped and no further child is started.
};

/// Prints the name of the value.
BROOD_API std::ostream& operator<<(std::ostream& out, failure_policy policy);

namespace detail {

/// The settings of `group_options`.
struct group_settings {
    std::size_t max_running = std::numeric_limits<std::size_t>::max();
    failure_policy on_failure = failure_policy::carry_on;
    output_options each;
};

} // namespace detail

/// How a `child_group` runs its children. A copyable value.
class group_options {
public:
    /// The maximum number of running children. 0 makes every spawn fail with `invalid_argument`. Default: no limit.
    group_options& max_running(std::size_t count) &
    {
        settings_.max_running = count;
        return *this;
    }
    group_options&& max_running(std::size_t count) && { return std::move(max_running(count)); }

    /// What a failed child does to the others. Default: nothing.
    group_options& on_failure(failure_policy policy) &
    {
        settings_.on_failure = policy;
        return *this;
    }
    group_options&& on_failure(failure_policy policy) && { return std::move(on_failure(policy)); }

    /// How each child is run, unless its spawn has options of its own.
    group_options& each(output_options options) &
    {
        settings_.each = std::move(options);
        return *this;
    }
    group_options&& each(output_options options) && { return std::move(each(std::move(options))); }

    /// The settings, for the library. Their form may change.
    detail::group_settings const& settings() const noexcept { return settings_; }

private:
    detail::group_settings settings_;
};

/// A child of a group.
struct group_child {
    /// The number of the call of `spawn` or `async_spawn`, from 0. Failed spawns are counted.
    std::size_t index = 0;

    /// The process id; 0 if the spawn has failed. After the end, the system may give the number to another process.
    pid_t id = 0;
};

/// The result of a child of a group: its exit status and the captured output.
struct group_result : group_child, output {};

namespace detail {

using group_spawn_handler = boost::asio::any_completion_handler<void(error_code, group_child, child_owner)>;
using group_next_handler = boost::asio::any_completion_handler<void(error_code, group_result)>;
using group_wait_handler = boost::asio::any_completion_handler<void(error_code)>;

/// The state behind `basic_child_group`.
class group_interface {
public:
    virtual std::size_t running() const = 0;
    virtual result<group_child> spawn(command const& cmd) = 0;
    virtual result<child_owner> spawn_child(command const& cmd, streams_factory streams) = 0;

    /// With a factory, the group hands the child out, and the options have no effect.
    virtual void async_spawn(
        command cmd, std::optional<output_options> options, streams_factory streams, group_spawn_handler handler) = 0;
    virtual void async_next(group_next_handler handler) = 0;
    virtual void async_wait_all(group_wait_handler handler) = 0;
    virtual void async_stop(group_wait_handler handler) = 0;

    /// The group object is gone: kills the children.
    virtual void on_handle_destroyed() noexcept = 0;

protected:
    ~group_interface() = default;
};

BROOD_API std::shared_ptr<group_interface>
create_group(boost::asio::any_io_executor const& executor, group_options options);

} // namespace detail

/// Owns children, and kills them when it is destroyed. Neither copyable nor movable.
/**
 * @code
 * brood::child_group group(executor, brood::group_options().max_running(8));
 * for (auto const& input : inputs)
 *     co_await group.async_spawn(brood::command("convert", input));
 * co_await group.async_wait_all();
 * @endcode
 *
 * An `out` or `err` that is `piped()` is captured and returned with the child's result; `err(stdio::same_as(1))`
 * captures both streams in `out`. Other `piped()` descriptors and a terminal fail with `errc::unexpected_pipe`.
 * `output_options::input` is the standard input of a child whose command sets none; with another one the spawn fails
 * with `invalid_argument`.
 *
 * `spawn_child` and `async_spawn_child` hand out a child: the application uses its streams and waits for its end. Of
 * `group_options::each`, the stop plan and the timeout apply to it. Its failure counts for the `failure_policy`, and
 * `async_next` returns no result for it.
 *
 * A child counts as running until the event loop has processed its end: it has been reaped and its captured streams
 * have ended, at most `output_options::drain_grace` later. Stopping and killing a child includes the process group that
 * it leads.
 *
 * A group is stopped by `async_stop`, by the cancellation of `async_wait_all` or by its `failure_policy`. It stays
 * stopped: every later spawn fails with `asio::error::operation_aborted`.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: all functions but the destructor may be called from several threads at once.
 * Queued commands are spawned one at a time. While `spawn` blocks, the other functions wait for it.
 *
 * @par Lifetime
 * The group may be destroyed while operations are pending. If the execution context is destroyed first, they are
 * destroyed without being invoked; afterwards only the destructor may be called.
 */
template <class Executor = boost::asio::any_io_executor>
class basic_child_group {
public:
    /// The type of the executor for completion handlers that have no associated executor.
    using executor_type = Executor;

    /// The group's type on another type of executor.
    template <class Other>
    struct rebind_executor {
        using other = basic_child_group<Other>; ///< That type.
    };

    /// A group without children. The first argument is an executor or an execution context.
    template <detail::executor_or_context Source>
        requires std::convertible_to<decltype(detail::native_executor(std::declval<Source>())), Executor>
    explicit basic_child_group(Source&& source, group_options options = {})
        : executor_(detail::native_executor(source)), group_(detail::create_group(executor_, std::move(options)))
    {}

    basic_child_group(basic_child_group const&) = delete;
    basic_child_group& operator=(basic_child_group const&) = delete;

    /// Kills the running children. They are reaped in the background. Never blocks.
    /**
     * Pending operations complete with `asio::error::operation_aborted`: `async_wait_all` and `async_stop` after all
     * children have been reaped, the others at once.
     */
    ~basic_child_group() { group_->on_handle_destroyed(); }

    /// The executor of the children, and for completion handlers that have no associated executor.
    Executor get_executor() const noexcept { return executor_; }

    /// The number of children that run or are being spawned. Queued commands do not count.
    std::size_t running() const { return group_->running(); }

    /// Spawns a child. Blocks the calling thread until the program has been executed. See `brood::spawn`.
    /**
     * @par Errors
     * Those of `brood::spawn`; `resource_unavailable_try_again` if the maximum number of children run or wait to be
     * spawned; `asio::error::operation_aborted` if the group has been stopped.
     */
    result<group_child> spawn(command const& cmd) { return group_->spawn(cmd); }

    /// Spawns a child as `spawn` does, and hands it out. See `async_spawn_child`.
    /**
     * A place becomes free only while the event loop runs: `async_spawn_child` waits for one.
     */
    result<basic_child<Executor>> spawn_child(command const& cmd)
    {
        auto owner = group_->spawn_child(cmd, detail::streams_on(executor_));
        if (!owner)
            return owner.error();
        return basic_child<Executor>(executor_, std::move(owner).value());
    }

    /// Spawns a child as soon as fewer than the maximum number run. The children are spawned in the order of the calls.
    /**
     * The operation completes after the program has been executed or the spawn has failed, without blocking. A failed
     * spawn has no result in `async_next` and is not a failure for `failure_policy`.
     *
     * @par Completion Signature
     * @code void(error_code, group_child) @endcode
     *
     * With an error, the `group_child` has the index of the call.
     *
     * @par Errors
     * Those of `brood::spawn`; `asio::error::operation_aborted` if the group is stopped.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. The child is not spawned, or killed and reaped before the operation completes.
     */
    template <detail::not_output_options CompletionToken = detail::default_token<Executor>>
    auto async_spawn(command cmd, CompletionToken&& token = {})
    {
        return initiate_spawn(std::move(cmd), std::nullopt, std::forward<CompletionToken>(token));
    }

    /// Spawns a child with options of its own instead of those of `group_options::each`.
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_spawn(command cmd, output_options options, CompletionToken&& token = {})
    {
        return initiate_spawn(std::move(cmd), std::move(options), std::forward<CompletionToken>(token));
    }

    /// Does not compile, and says why: the options come before the completion token.
    template <detail::not_output_options CompletionToken>
    auto async_spawn(command, CompletionToken&&, output_options)
    {
        return detail::options_after_token<CompletionToken>();
    }

    /// Spawns a child as `async_spawn` does, and hands it out: to stream its output, or to talk to it.
    /**
     * The child belongs to the group as well: it counts as running until its end, and the group stops it with the
     * others. Destroying the child kills it, unless it is detached. A detached child still counts, and is killed when
     * the group or the execution context is destroyed.
     *
     * @par Completion Signature
     * @code void(error_code, basic_child<Executor>) @endcode
     * With an error, the child is an object without a child.
     *
     * @par Errors
     * Those of `async_spawn`.
     *
     * @par Per-Operation Cancellation
     * As `async_spawn`.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_spawn_child(command cmd, CompletionToken&& token = {})
    {
        return detail::initiate<void(error_code, basic_child<Executor>)>(
            executor_, std::forward<CompletionToken>(token),
            [group = group_, executor = executor_, cmd = std::move(cmd)](auto&& handler) mutable {
                auto to_child = [executor](auto&& wrapped, error_code ec, group_child, detail::child_owner owner) {
                    std::move(wrapped)(ec, basic_child<Executor>(executor, std::move(owner)));
                };
                group->async_spawn(
                    std::move(cmd), std::nullopt, detail::streams_on(executor),
                    detail::wrap_handler(std::forward<decltype(handler)>(handler), std::move(to_child)));
            });
    }

    /// Returns the result of the next child that has ended, in the order of the ends. Each result is returned once.
    /**
     * Results accumulate until `async_next` takes them. Call it even if you ignore them.
     *
     * @par Completion Signature
     * @code void(error_code, group_result) @endcode
     * The result is valid with an error about one child, too. `asio::as_tuple` makes both available.
     *
     * @par Errors
     * `asio::error::eof` if all results have been taken and no child runs or waits to be spawned. Errors about one
     * child: those of `basic_child::async_wait` and of `async_output`.
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. The children are not affected and no result is lost.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_next(CompletionToken&& token = {})
    {
        return detail::initiate<void(error_code, group_result)>(
            executor_, std::forward<CompletionToken>(token),
            [group = group_](auto&& handler) { group->async_next(std::forward<decltype(handler)>(handler)); });
    }

    /// Waits until no child runs or waits to be spawned.
    /**
     * Failures of the children are not errors of this operation; `async_next` returns them.
     *
     * @par Completion Signature
     * @code void(error_code) @endcode
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. The first cancellation stops the group, the second kills the children at once.
     * The operation completes with `asio::error::operation_aborted` after all children have been reaped.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_wait_all(CompletionToken&& token = {})
    {
        return detail::initiate<void(error_code)>(
            executor_, std::forward<CompletionToken>(token),
            [group = group_](auto&& handler) { group->async_wait_all(std::forward<decltype(handler)>(handler)); });
    }

    /// Stops the group: every child is stopped by its stop plan, and queued spawns fail.
    /**
     * The operation completes after all children have been reaped.
     *
     * @par Completion Signature
     * @code void(error_code) @endcode
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`: kills the children at once. The operation completes with
     * `asio::error::operation_aborted` after all children have been reaped.
     */
    template <class CompletionToken = detail::default_token<Executor>>
    auto async_stop(CompletionToken&& token = {})
    {
        return detail::initiate<void(error_code)>(
            executor_, std::forward<CompletionToken>(token),
            [group = group_](auto&& handler) { group->async_stop(std::forward<decltype(handler)>(handler)); });
    }

private:
    template <class CompletionToken>
    auto initiate_spawn(command cmd, std::optional<output_options> options, CompletionToken&& token)
    {
        return detail::initiate<void(error_code, group_child)>(
            executor_, std::forward<CompletionToken>(token),
            [group = group_, cmd = std::move(cmd), options = std::move(options)](auto&& handler) mutable {
                auto to_id = [](auto&& wrapped, error_code ec, group_child spawned, detail::child_owner const&) {
                    std::move(wrapped)(ec, spawned);
                };
                group->async_spawn(
                    std::move(cmd), std::move(options), {},
                    detail::wrap_handler(std::forward<decltype(handler)>(handler), to_id));
            });
    }

    Executor executor_;
    std::shared_ptr<detail::group_interface> group_;
};

/// A group of children on any executor.
using child_group = basic_child_group<>;

} // namespace brood

#endif
