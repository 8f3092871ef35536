// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_HANDLE_HPP
#define BROOD_DETAIL_HANDLE_HPP

#include <brood/detail/export.hpp>
#include <brood/exit_status.hpp>
#include <brood/resource_usage.hpp>
#include <brood/result.hpp>
#include <brood/stop.hpp>
#include <brood/tree_usage.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <sys/types.h>

/// The interface between the public class templates and the compiled library.
namespace brood::detail {

using wait_handler = boost::asio::any_completion_handler<void(error_code, exit_status)>;

/// A stream that the child writes and the parent reads.
enum class output_stream { out, err, terminal };
inline constexpr output_stream output_streams[]{output_stream::out, output_stream::err, output_stream::terminal};

/// The parent's ends of a child's streams. The executor type is erased.
struct streams_base {
    virtual ~streams_base() = default;

    /// Whether a standard stream is open, and its descriptor, which the caller then owns.
    virtual bool is_open(int) const { return false; }
    virtual int release(int) { return -1; }

    /// The descriptor that the parent reads, or -1. `cancel_read` cancels its operations: for a terminal, writes, too.
    virtual int read_end(output_stream) { return -1; }
    virtual void cancel_read(output_stream) {}
};

/// The state behind `basic_process`.
class process_interface {
public:
    virtual pid_t id() const noexcept = 0;
    virtual int native_handle() const noexcept = 0;
    virtual result<exit_status> wait() = 0;
    virtual result<std::optional<exit_status>> try_wait() = 0;
    virtual result<void> kill() = 0;
    virtual result<void> signal(int number) = 0;
    virtual void async_wait(wait_handler handler) = 0;
    virtual void async_kill(wait_handler handler) = 0;

protected:
    ~process_interface() = default;
};

/// The state behind `basic_child`.
class child_interface : public process_interface {
public:
    virtual result<void> signal_group(int number) = 0;

    /// As `signal_group`, but skips a child in a group that has been signalled. Adds the group that the child leads.
    virtual result<void> signal_once(int number, std::vector<pid_t>& signalled_groups) = 0;
    virtual result<void> kill_tree() = 0;

    /// As `async_wait`, for an operation that may abandon its wait.
    virtual void async_wait_as(void const* owner, wait_handler handler) = 0;

    /// Completes the pending waits of an owner with an error. The child and other waits are not affected.
    virtual void abandon_waits(void const* owner, error_code error) = 0;

    virtual std::optional<resource_usage> usage() const = 0;
    virtual std::optional<brood::tree_usage> tree_usage() const = 0;
    virtual void detach() noexcept = 0;
    virtual int release() = 0;
    virtual void async_stop(stop_plan plan, wait_handler handler) = 0;
    virtual result<std::optional<exit_status>> wait_for(duration time) = 0;
    virtual void async_wait_for(duration time, wait_handler handler) = 0;
    virtual void async_wait_drained(duration grace, wait_handler handler) = 0;

    /// The streams are closed with the event loop if that is destroyed first.
    virtual std::unique_ptr<streams_base>& streams() noexcept = 0;

    /// The child object is gone: kills a child that is not detached.
    virtual void on_handle_destroyed() noexcept = 0;

protected:
    ~child_interface() = default;
};

using process_ptr = std::shared_ptr<process_interface>;
using child_ptr = std::shared_ptr<child_interface>;

/// The owner of a child, shared with its pending operations. Move-only; null after a move.
class child_owner {
public:
    child_owner() noexcept = default;
    explicit child_owner(child_ptr child) noexcept : child_(std::move(child)) {}
    child_owner(child_owner&& other) noexcept = default;

    child_owner& operator=(child_owner&& other) noexcept
    {
        child_owner assigned(std::move(other));
        std::swap(child_, assigned.child_);
        return *this;
    }

    ~child_owner()
    {
        if (child_)
            child_->on_handle_destroyed();
    }

    explicit operator bool() const noexcept { return child_ != nullptr; }
    child_interface* operator->() const noexcept { return child_.get(); }
    child_ptr const& get() const noexcept { return child_; }

    /// Gives the child away without an effect on it.
    child_ptr release() noexcept { return std::move(child_); }

private:
    child_ptr child_;
};

/// Streams that are closed with their execution context, if that is destroyed first.
using streams_slot = std::shared_ptr<std::unique_ptr<streams_base>>;

/// Returns an empty slot, for an object without a child.
BROOD_API streams_slot create_streams_slot(boost::asio::any_io_executor const& executor);

/// Completes an operation on an object without a process. The handler is posted.
BROOD_API void fail_wait(boost::asio::any_io_executor const& executor, error_code error, wait_handler handler);

/// Starts an operation on a process, or fails it if `state` is null.
template <class State, class Executor, class Handler, class Start>
void start_wait(
    std::shared_ptr<State> const& state, Executor const& executor, error_code no_process, Handler&& handler,
    Start start)
{
    if (state)
        start(*state, wait_handler(std::forward<Handler>(handler)));
    else
        fail_wait(executor, no_process, wait_handler(std::forward<Handler>(handler)));
}

/// The error of waiting for a child that does not exist.
inline error_code no_child() noexcept { return make_error_code(boost::system::errc::no_child_process); }

/// The error of signalling a process that does not exist.
inline error_code no_process() noexcept { return make_error_code(boost::system::errc::no_such_process); }

} // namespace brood::detail

#endif
