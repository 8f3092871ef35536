// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_COMMAND_HPP
#define BROOD_COMMAND_HPP

#include <brood/command_data.hpp>
#include <brood/error.hpp>
#include <brood/export.hpp>
#include <brood/stdio.hpp>
#include <brood/terminal_size.hpp>

#include <concepts>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

namespace brood {

namespace detail {

template <class T>
concept text = std::convertible_to<T const&, std::string_view>;

template <class T>
concept text_range = std::ranges::input_range<T const> && text<std::ranges::range_value_t<T const>>;

} // namespace detail

/// What to run, and how. A copyable value: nothing happens before the spawn, which checks it.
/**
 * @par Thread safety
 * That of a container: distinct objects may be used from distinct threads, one object may be read by many.
 */
class command {
public:
    /// A program and its arguments.
    /**
     * A name without `/` is looked up in the **child's** PATH; a relative path with one starts in the child's
     * directory. argv[0] is the program as given, unless `arg0` says otherwise.
     */
    template <detail::text... Args>
    explicit command(std::string_view program, Args const&... arguments)
    {
        data_.program = program;
        (arg(arguments), ...);
    }

    /// A program and its arguments.
    command(std::string_view program, std::vector<std::string> arguments)
    {
        data_.program = program;
        data_.arguments = std::move(arguments);
    }

    /// Adds an argument.
    command& arg(std::string_view argument)
    {
        data_.arguments.emplace_back(argument);
        return *this;
    }

    /// Adds arguments from a range of strings.
    template <detail::text_range Range>
    command& args(Range const& range)
    {
        for (auto const& argument : range)
            arg(argument);
        return *this;
    }

    /// Adds arguments.
    command& args(std::initializer_list<std::string_view> list)
    {
        for (auto argument : list)
            arg(argument);
        return *this;
    }

    /// Replaces argv[0] alone; the program that is run stays.
    command& arg0(std::string_view name)
    {
        data_.arg0 = name;
        return *this;
    }

    /// Sets a variable on top of the parent's environment, which is read at the spawn.
    command& env(std::string_view key, std::string_view value)
    {
        data_.env.set(std::string(key), std::string(value));
        return *this;
    }

    /// Takes a variable away.
    command& env_remove(std::string_view key)
    {
        data_.env.remove(std::string(key));
        return *this;
    }

    /// Drops the parent's environment, and what was set before.
    command& env_clear()
    {
        data_.env.clear();
        return *this;
    }

    /// The child's working directory. Entered with the child's credentials.
    command& current_dir(std::string_view path)
    {
        data_.directory = path;
        return *this;
    }

    command& in(stdio io) { return fd(0, std::move(io)); }  ///< The child's standard input.
    command& out(stdio io) { return fd(1, std::move(io)); } ///< The child's standard output.
    command& err(stdio io) { return fd(2, std::move(io)); } ///< The child's standard error.

    /// Any descriptor of the child. `piped()` above 2 is a two-way channel (a stream socket pair).
    command& fd(int child_fd, stdio io)
    {
        data_.descriptors.insert_or_assign(child_fd, std::move(io));
        return *this;
    }

    /// Whether the child also gets every open descriptor without FD_CLOEXEC. Default: nothing but what is mapped.
    command& inherit_fds(bool all)
    {
        data_.inherit_fds = all;
        return *this;
    }

    /// The user to run as (setuid(2)). Without `groups`, all supplementary groups are dropped, unless an unprivileged
    /// parent stays who it is.
    command& user(uid_t id)
    {
        data_.user = id;
        return *this;
    }

    /// The group to run as (setgid(2)).
    command& group(gid_t id)
    {
        data_.group = id;
        return *this;
    }

    /// The supplementary groups (setgroups(2)). Applied in the order groups, group, user.
    command& groups(std::vector<gid_t> ids)
    {
        data_.groups = std::move(ids);
        return *this;
    }

    /// Joins the process group of `leader`; 0 makes a new one. Not together with `session` or `terminal`.
    command& process_group(pid_t leader = 0)
    {
        data_.process_group = leader;
        return *this;
    }

    /// Makes the child the leader of a new session (setsid(2)), and so of a new process group.
    command& session()
    {
        data_.session = true;
        return *this;
    }

    /// Gives the child a new pseudo-terminal (pty(7)), as the leader of a new session whose terminal that is.
    /**
     * Every standard stream leads there that is not set otherwise, be it to `stdio::inherit()`. The parent's end
     * is `basic_child::terminal()`, without which there is nobody to read: `exec` and `async_run` refuse it.
     */
    command& terminal(terminal_size size = {24, 80})
    {
        data_.terminal = size;
        return *this;
    }

    /// The file mode creation mask (umask(2)).
    command& umask(mode_t mask)
    {
        data_.umask = mask;
        return *this;
    }

    /// A resource limit (setrlimit(2)), such as RLIMIT_NOFILE. Set after the descriptors are in place.
    command& limit(int resource, rlim_t soft, rlim_t hard)
    {
        data_.limits.push_back({resource, detail::resource_limit::widen(soft), detail::resource_limit::widen(hard)});
        return *this;
    }

    /// Adds to the nice value, as nice(2) does; the sum is clamped to what the system has.
    command& nice(int increment)
    {
        data_.nice = increment;
        return *this;
    }

    /// The processors to run on, numbered from 0 (sched_setaffinity(2)). Linux.
    command& affinity(std::vector<int> processors)
    {
        data_.affinity = std::move(processors);
        return *this;
    }

    /// The signal that the child gets when the **thread** that spawned it ends (prctl(2)). Linux.
    /**
     * A parent that has ended before the child could ask for it makes the child fail as it starts.
     */
    command& parent_death_signal(int signal)
    {
        data_.parent_death_signal = signal;
        return *this;
    }

    /// Denies the child any privilege by execve(2), for good (prctl(2)). Linux.
    command& no_new_privileges()
    {
        data_.no_new_privileges = true;
        return *this;
    }

    /// The cgroup v2 folder that the child is born in (cgroups(7)). Linux.
    /**
     * With clone3(2) the child is never anywhere else (Linux 5.7). The fork backend serves where that is not to be
     * had, and where the command needs it anyway: there the child moves itself in before it does anything else.
     * Either way its program, and whatever that starts, runs inside, and the parent needs the right to write to
     * the folder's `cgroup.procs`. The folder must be there, and have no domain controllers enabled for folders
     * below it. Stage `cgroup` tells failures; `invalid_argument` is a path that is no cgroup v2 folder.
     * A child object keeps a descriptor of the folder, for `kill_tree`.
     */
    command& cgroup(std::string_view path)
    {
        data_.cgroup = path;
        return *this;
    }

    /// The signals that the child starts with blocked. Default: those that the spawning thread blocks.
    command& signal_mask(std::vector<int> blocked)
    {
        data_.signal_mask = std::move(blocked);
        return *this;
    }

    /// Sets every signal to its default. Without it, SIGPIPE is, and what the parent ignores stays ignored.
    command& reset_signals()
    {
        data_.reset_signals = true;
        return *this;
    }

    /// A function to call in the child just before exec. Forces the fork backend.
    /**
     * It runs in a copy of a process that may have had other threads: it may call async-signal-safe functions
     * alone (signal-safety(7)), so no allocation. A returned error, or an exception, ends the spawn with stage
     * `hook`; an error of another category than the system's or the generic one arrives as `ECANCELED`.
     */
    command& pre_exec(std::function<error_code()> hook)
    {
        data_.pre_exec = std::move(hook);
        return *this;
    }

    /// Forces a backend. One that can't express the command makes the spawn fail with `not_supported`.
    command& backend(spawn_backend choice)
    {
        data_.backend = choice;
        return *this;
    }

    /// Forces a way to notice the child's end. Where the system lacks it the spawn fails with `not_supported`.
    command& reaper(exit_reaper choice)
    {
        data_.reaper = choice;
        return *this;
    }

    std::string const& program() const noexcept { return data_.program; }                  ///< As given.
    std::vector<std::string> const& arguments() const noexcept { return data_.arguments; } ///< Without argv[0].

    /// All that was set. For the library; its form may change.
    detail::command_data const& data() const noexcept { return data_; }

    /// Prints what a shell's user would read: `cd "d" && env -u K A="v" "prog" "x"`.
    BROOD_API friend std::ostream& operator<<(std::ostream& out, command const& cmd);

private:
    detail::command_data data_;
};

} // namespace brood

#endif
