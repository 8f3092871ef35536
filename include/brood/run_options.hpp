// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_RUN_OPTIONS_HPP
#define BROOD_RUN_OPTIONS_HPP

#include <brood/detail/export.hpp>
#include <brood/detail/handle.hpp>
#include <brood/exit_status.hpp>
#include <brood/resource_usage.hpp>
#include <brood/stop.hpp>
#include <brood/tree_usage.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace brood {

/// The exit status of a child and its captured output. A stream that was not captured is empty.
struct output {
    exit_status status;                            ///< How the child ended.
    std::string out;                               ///< The captured standard output.
    std::string err;                               ///< The captured standard error.
    bool truncated = false;                        ///< Data beyond `output_options::limit` was discarded.
    std::optional<resource_usage> usage;           ///< Empty if the status was lost.
    duration elapsed{};                            ///< From the start of the spawn to the end of the child.
    std::optional<brood::tree_usage> tree_usage{}; ///< As `basic_child::tree_usage`.
    bool out_of_memory = false; ///< The system has killed a process of the child's cgroup because of a memory limit.
};

/// What happens if a child writes more than `output_options::limit`.
enum class limit_policy {
    stop_child, ///< The child is stopped and the operation fails with `errc::output_limit_exceeded`.
    discard,    ///< The child runs on; the excess is read and discarded.
};

/// Prints the name of the value.
BROOD_API std::ostream& operator<<(std::ostream& out, limit_policy policy);

namespace detail {

/// Takes the pieces or the lines of an output stream.
struct output_sink {
    std::function<void(std::string_view)> call;
    bool by_line = false;

    explicit operator bool() const noexcept { return static_cast<bool>(call); }
};

/// The settings of `output_options` and `run_options`.
struct output_settings {
    boost::asio::const_buffer borrowed_input;
    std::string owned_input;
    std::size_t limit = std::numeric_limits<std::size_t>::max();
    limit_policy on_limit = limit_policy::stop_child;
    std::optional<duration> timeout;
    duration drain_grace = std::chrono::seconds(1);
    stop_plan stop;
    std::array<output_sink, 2> sinks; // of standard output and standard error

    boost::asio::const_buffer input() const noexcept
    {
        return owned_input.empty() ? borrowed_input : boost::asio::buffer(owned_input);
    }
};

} // namespace detail

/// How `async_run` runs a child. A copyable value.
class run_options {
public:
    /// The maximum run time, from the start of the spawn. Then the child is stopped: `errc::timed_out`.
    run_options& timeout(duration time) &
    {
        settings_.timeout = time;
        return *this;
    }
    run_options&& timeout(duration time) && { return std::move(timeout(time)); }

    /// How the child is stopped. See `basic_child::async_stop`.
    run_options& stop(stop_plan plan) &
    {
        settings_.stop = std::move(plan);
        return *this;
    }
    run_options&& stop(stop_plan plan) && { return std::move(stop(std::move(plan))); }

    /// The settings, for the library. Their form may change.
    detail::output_settings const& settings() const noexcept { return settings_; }

private:
    detail::output_settings settings_;
};

/// How `async_output` runs a child. A copyable value.
/**
 * @code
 * co_await brood::async_output(executor, cmd, brood::output_options().timeout(10s).limit(1 << 20));
 * @endcode
 */
class output_options {
public:
    /// The child's standard input. The caller keeps the memory alive until the operation completes.
    /**
     * A child that does not read all of it is not an error. If the command sets a standard input other than `piped()`,
     * the operation fails with `invalid_argument`.
     */
    output_options& input(boost::asio::const_buffer data) &
    {
        settings_.borrowed_input = data;
        settings_.owned_input.clear();
        return *this;
    }
    output_options&& input(boost::asio::const_buffer data) && { return std::move(input(data)); }

    /// The child's standard input, owned by the options.
    output_options& input(std::string text) &
    {
        settings_.borrowed_input = {};
        settings_.owned_input = std::move(text);
        return *this;
    }
    output_options&& input(std::string text) && { return std::move(input(std::move(text))); }

    /// Calls a function with each piece of the standard output instead of keeping it.
    /**
     * The functions of one operation are called one at a time, on the executor of the operation. The stream is not
     * read while a function runs; a child that fills the pipe blocks. If a function throws, the child is stopped, the
     * rest of the stream is discarded, the exception leaves the event loop's `run`, and the operation completes with
     * `asio::error::operation_aborted`. If the command sets the stream to something other than `piped()`, the operation
     * fails with `invalid_argument`.
     */
    output_options& on_out(std::function<void(std::string_view piece)> function) &
    {
        settings_.sinks[0] = {std::move(function), false};
        return *this;
    }
    output_options&& on_out(std::function<void(std::string_view piece)> function) &&
    {
        return std::move(on_out(std::move(function)));
    }

    /// As `on_out`, for the standard error.
    output_options& on_err(std::function<void(std::string_view piece)> function) &
    {
        settings_.sinks[1] = {std::move(function), false};
        return *this;
    }
    output_options&& on_err(std::function<void(std::string_view piece)> function) &&
    {
        return std::move(on_err(std::move(function)));
    }

    /// As `on_out`, with each line, without its end. The last line need not have an end.
    /**
     * A line longer than 64 KiB is passed in parts.
     */
    output_options& on_out_line(std::function<void(std::string_view line)> function) &
    {
        settings_.sinks[0] = {std::move(function), true};
        return *this;
    }
    output_options&& on_out_line(std::function<void(std::string_view line)> function) &&
    {
        return std::move(on_out_line(std::move(function)));
    }

    /// As `on_out_line`, for the standard error.
    output_options& on_err_line(std::function<void(std::string_view line)> function) &
    {
        settings_.sinks[1] = {std::move(function), true};
        return *this;
    }
    output_options&& on_err_line(std::function<void(std::string_view line)> function) &&
    {
        return std::move(on_err_line(std::move(function)));
    }

    /// The maximum number of bytes to take of each stream, and what happens beyond. Default: no limit.
    output_options& limit(std::size_t bytes, limit_policy policy = limit_policy::stop_child) &
    {
        settings_.limit = bytes;
        settings_.on_limit = policy;
        return *this;
    }
    output_options&& limit(std::size_t bytes, limit_policy policy = limit_policy::stop_child) &&
    {
        return std::move(limit(bytes, policy));
    }

    /// The maximum run time, from the start of the spawn. Then the child is stopped: `errc::timed_out`.
    output_options& timeout(duration time) &
    {
        settings_.timeout = time;
        return *this;
    }
    output_options&& timeout(duration time) && { return std::move(timeout(time)); }

    /// How long to read on after the child's end if a descendant holds a stream open. Default: one second.
    /**
     * Then the operation fails with `errc::output_incomplete`. The data that was in the pipe by then is kept.
     */
    output_options& drain_grace(duration time) &
    {
        settings_.drain_grace = time;
        return *this;
    }
    output_options&& drain_grace(duration time) && { return std::move(drain_grace(time)); }

    /// How the child is stopped. See `basic_child::async_stop`.
    output_options& stop(stop_plan plan) &
    {
        settings_.stop = std::move(plan);
        return *this;
    }
    output_options&& stop(stop_plan plan) && { return std::move(stop(std::move(plan))); }

    /// The settings, for the library. Their form may change.
    detail::output_settings const& settings() const noexcept { return settings_; }

private:
    detail::output_settings settings_;
};

namespace detail {

using output_handler = boost::asio::any_completion_handler<void(error_code, output)>;

/// The parent's ends of a child's standard streams, which the operation then owns; -1 if there is none.
struct standard_ends {
    int in = -1, out = -1, err = -1;
};

/// The error of options for a child that already runs, which has these streams.
BROOD_API error_code validate(output_options const& options, bool has_in, bool has_out, bool has_err);

/// `invalid` is the error of the operation, if it has failed already.
BROOD_API void async_output(
    boost::asio::any_io_executor const& executor, child_ptr child, standard_ends ends, output_options options,
    error_code invalid, output_handler handler);

template <class T>
concept not_output_options = !std::convertible_to<T, output_options>;

template <class T>
concept not_run_options = !std::convertible_to<T, run_options>;

} // namespace detail

} // namespace brood

#endif
