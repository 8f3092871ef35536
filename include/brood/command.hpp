// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_COMMAND_HPP
#define BROOD_COMMAND_HPP

#include <brood/detail/command_data.hpp>
#include <brood/detail/export.hpp>
#include <brood/detail/text.hpp>
#include <brood/error.hpp>
#include <brood/isolation.hpp>
#include <brood/result.hpp>
#include <brood/stdio.hpp>
#include <brood/terminal_size.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

namespace brood {

class cgroup_scope;

/// What to run: a program, its arguments and the attributes of the process. A copyable value.
/**
 * It follows `std::process::Command` of Rust. Nothing is validated, opened or read before the spawn. String parameters
 * accept anything convertible to `std::string_view`, and `std::filesystem::path`. Setters of a temporary return
 * `command&&`, so a chain of calls moves the value.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: const member functions are safe.
 */
class command {
public:
    /// A program and its arguments.
    /**
     * A name without `/` is searched in the **child's** PATH. A relative path that contains `/` is resolved in the
     * child's working directory. argv[0] is the program unless `arg0` is set.
     */
    template <detail::text Program, detail::text... Args>
    explicit command(Program const& program, Args const&... arguments)
    {
        data_.program = detail::text_arg(program);
        (arg(arguments), ...);
    }

    /// A program and its arguments.
    command(detail::text_arg program, std::vector<std::string> arguments)
    {
        data_.program = program;
        data_.arguments = std::move(arguments);
    }

    /// A shell command line: `/bin/sh -c text`.
    /**
     * The shell interprets the whole text, so input from others does not belong in it.
     */
    static command shell(detail::text_arg text)
    {
        std::string line(text);
        if (line.starts_with('-') || line.starts_with('+'))
            line.insert(0, 1, ' '); // otherwise the shell would take the text for options
        return command("/bin/sh", "-c", line);
    }

    /// Appends an argument.
    command& arg(detail::text_arg argument) &
    {
        data_.arguments.emplace_back(argument);
        return *this;
    }
    command&& arg(detail::text_arg argument) && { return std::move(arg(argument)); }

    /// Appends the arguments of a range of strings.
    template <detail::text_range Range>
    command& args(Range&& range) &
    {
        for (auto&& argument : range)
            arg(argument);
        return *this;
    }
    template <detail::text_range Range>
    command&& args(Range&& range) &&
    {
        return std::move(args(range));
    }

    /// Appends arguments.
    command& args(std::initializer_list<detail::text_arg> list) &
    {
        for (auto argument : list)
            arg(argument);
        return *this;
    }
    command&& args(std::initializer_list<detail::text_arg> list) && { return std::move(args(list)); }

    /// Replaces argv[0] only. The program that is executed does not change.
    command& arg0(detail::text_arg name) &
    {
        data_.arg0 = name;
        return *this;
    }
    command&& arg0(detail::text_arg name) && { return std::move(arg0(name)); }

    /// Replaces the program.
    command& program(detail::text_arg name) &
    {
        data_.program = name;
        return *this;
    }
    command&& program(detail::text_arg name) && { return std::move(program(name)); }

    /// Makes the command the argument of a launcher that starts it: `command("make", "-j").under("srun", "-n1")` is
    /// `srun -n1 make -j`.
    /**
     * For launchers that execute the words after their own: `nice`, `env`, `srun`, `systemd-run`, `docker run`. Further
     * calls put launchers in front. An empty range changes nothing.
     *
     * Everything else applies to the launcher, because it is the child: the environment, the working directory, the
     * descriptors and attributes. Whether the program has them too depends on the launcher: see doc/launchers.md. Only
     * `arg0` has no meaning for it: if it was set before, the spawn fails with `errc::inexpressible`.
     */
    template <detail::text Launcher, detail::text... Args>
    command& under(Launcher const& launcher, Args const&... arguments) &
    {
        put_under({std::string(detail::text_arg(launcher)), std::string(detail::text_arg(arguments))...});
        return *this;
    }
    template <detail::text Launcher, detail::text... Args>
    command&& under(Launcher const& launcher, Args const&... arguments) &&
    {
        return std::move(under(launcher, arguments...));
    }
    /// The same with the words of the launcher in a range of strings.
    template <detail::text_range Range>
    command& under(Range&& launcher) &
    {
        put_under(to_strings(launcher));
        return *this;
    }
    template <detail::text_range Range>
    command&& under(Range&& launcher) &&
    {
        return std::move(under(launcher));
    }

    /// Makes the command the last argument of a launcher, as one line for a POSIX shell:
    /// `command("make", "all").under_shell("ssh", "host")` is `ssh host "exec make all"`.
    /**
     * For launchers that pass their last argument to a shell: `ssh HOST`, `su USER -c`, `docker exec NAME sh -c`. The
     * line is that of `shell_line`, so the program receives its arguments byte for byte. Further calls put launchers in
     * front. An empty range changes nothing.
     *
     * The environment and the working directory are part of the line: they apply to the program, and the launcher runs
     * in the parent's. `env_keep` keeps variables of the remote shell. The descriptors and attributes, such as `umask`,
     * apply to the launcher. If `shell_line` fails, the spawn fails with its error.
     */
    template <detail::text Launcher, detail::text... Args>
    command& under_shell(Launcher const& launcher, Args const&... arguments) &
    {
        put_under_shell({std::string(detail::text_arg(launcher)), std::string(detail::text_arg(arguments))...});
        return *this;
    }
    template <detail::text Launcher, detail::text... Args>
    command&& under_shell(Launcher const& launcher, Args const&... arguments) &&
    {
        return std::move(under_shell(launcher, arguments...));
    }
    /// The same with the words of the launcher in a range of strings.
    template <detail::text_range Range>
    command& under_shell(Range&& launcher) &
    {
        put_under_shell(to_strings(launcher));
        return *this;
    }
    template <detail::text_range Range>
    command&& under_shell(Range&& launcher) &&
    {
        return std::move(under_shell(launcher));
    }

    /// Sets a variable. The other variables are the parent's at the time of the spawn.
    command& env(detail::text_arg key, detail::text_arg value) &
    {
        data_.env.set(std::string(key), std::string(value));
        return *this;
    }
    command&& env(detail::text_arg key, detail::text_arg value) && { return std::move(env(key, value)); }

    /// Sets the variables of a range of pairs, such as a `std::map`.
    template <detail::text_pair_range Range>
    command& env(Range&& range) &
    {
        for (auto&& [key, value] : range)
            env(key, value);
        return *this;
    }
    template <detail::text_pair_range Range>
    command&& env(Range&& range) &&
    {
        return std::move(env(range));
    }

    /// Removes a variable.
    command& env_remove(detail::text_arg key) &
    {
        data_.env.remove(std::string(key));
        return *this;
    }
    command&& env_remove(detail::text_arg key) && { return std::move(env_remove(key)); }

    /// Removes the parent's variables, and those that were set before.
    command& env_clear() &
    {
        data_.env.clear();
        return *this;
    }
    command&& env_clear() && { return std::move(env_clear()); }

    /// Passes on only these of the parent's variables: none without keys. Further calls add variables. What `env` and
    /// `env_remove` have set is not affected.
    template <detail::text... Keys>
    command& env_keep(Keys const&... keys) &
    {
        data_.env.keep();
        (data_.env.keep(std::string(detail::text_arg(keys))), ...);
        return *this;
    }
    template <detail::text... Keys>
    command&& env_keep(Keys const&... keys) &&
    {
        return std::move(env_keep(keys...));
    }

    /// The child's working directory (chdir(2)). The child enters it with its own credentials.
    command& current_dir(detail::text_arg path) &
    {
        data_.directory = path;
        return *this;
    }
    command&& current_dir(detail::text_arg path) && { return std::move(current_dir(path)); }

    command& in(stdio io) & { return fd(0, std::move(io)); } ///< The child's standard input.
    command&& in(stdio io) && { return std::move(in(std::move(io))); }

    command& out(stdio io) & { return fd(1, std::move(io)); } ///< The child's standard output.
    command&& out(stdio io) && { return std::move(out(std::move(io))); }

    command& err(stdio io) & { return fd(2, std::move(io)); } ///< The child's standard error.
    command&& err(stdio io) && { return std::move(err(std::move(io))); }

    /// Any descriptor of the child. Above 2, `piped()` creates a two-way channel (a pair of stream sockets).
    command& fd(int child_fd, stdio io) &
    {
        data_.descriptors.insert_or_assign(child_fd, std::move(io));
        return *this;
    }
    command&& fd(int child_fd, stdio io) && { return std::move(fd(child_fd, std::move(io))); }

    /// If true, the child also inherits every open descriptor without FD_CLOEXEC. Default: only the mapped descriptors.
    command& inherit_fds(bool all) &
    {
        data_.inherit_fds = all;
        return *this;
    }
    command&& inherit_fds(bool all) && { return std::move(inherit_fds(all)); }

    /// The user to run as (setuid(2)).
    /**
     * Unless `groups` is set, the supplementary groups are dropped. They are kept if the user is the effective one
     * already, or if the process may not drop them: its user namespace denies that, or an unprivileged process becomes
     * its own real or saved user. Capabilities that the program would keep (capabilities(7)) are cleared, except those
     * of `ambient_capabilities`.
     */
    command& user(uid_t id) &
    {
        data_.user = id;
        return *this;
    }
    command&& user(uid_t id) && { return std::move(user(id)); }

    /// The group to run as (setgid(2)).
    command& group(gid_t id) &
    {
        data_.group = id;
        return *this;
    }
    command&& group(gid_t id) && { return std::move(group(id)); }

    /// The supplementary groups (setgroups(2)). Credentials are applied in the order groups, group, user.
    command& groups(std::vector<gid_t> ids) &
    {
        data_.groups = std::move(ids);
        return *this;
    }
    command&& groups(std::vector<gid_t> ids) && { return std::move(groups(std::move(ids))); }
    /// The same, as arguments: `groups(4, 27)`.
    template <std::convertible_to<gid_t>... Values>
    command& groups(Values... ids) &
    {
        return groups(std::vector<gid_t>{static_cast<gid_t>(ids)...});
    }
    template <std::convertible_to<gid_t>... Values>
    command&& groups(Values... ids) &&
    {
        return std::move(groups(ids...));
    }

    /// Joins the process group `leader`; 0 creates a new group (setpgid(2)).
    /**
     * Fails with `invalid_argument` together with `session` or `terminal`.
     */
    command& process_group(pid_t leader = 0) &
    {
        data_.process_group = leader;
        return *this;
    }
    command&& process_group(pid_t leader = 0) && { return std::move(process_group(leader)); }

    /// Makes the child the leader of a new session, and so of a new process group (setsid(2)).
    command& session() &
    {
        data_.session = true;
        return *this;
    }
    command&& session() && { return std::move(session()); }

    /// Makes the child's own process group the foreground group of the parent's terminal until the child ends.
    /**
     * The child can read the terminal, and the signals of its keys (^C, ^Z) reach the child's group and not the
     * parent's. When the child has been reaped, however it ended, the parent's group is the foreground again and the
     * terminal has the modes that it had before the spawn. A child that is stopped keeps the terminal: continue it with
     * `signal_group(SIGCONT)`. See tcsetpgrp(3).
     *
     * Fails with stage `terminal`: `no_such_device_or_address` without a controlling terminal,
     * `operation_not_permitted` if the parent is not in the foreground. Fails with `invalid_argument` together with
     * `session`, `terminal` or another process group, in a pipeline and in `exec`.
     */
    command& foreground() &
    {
        data_.foreground = true;
        return *this;
    }
    command&& foreground() && { return std::move(foreground()); }

    /// Kills the process group that the child leads when the child has ended.
    /**
     * The group is killed before waits complete, also if the child object is dropped. Processes that have left the
     * group run on: see `contained`. If this process ignores SIGCHLD, the kernel reaps the child and the group is not
     * killed. Fails with `invalid_argument` if the child leads no group, or joins that of a pipeline.
     */
    command& kill_group_at_end() &
    {
        data_.kill_group_at_end = true;
        return *this;
    }
    command&& kill_group_at_end() && { return std::move(kill_group_at_end()); }

    /// Runs the child on a new pseudo-terminal, as the leader of a new session (pty(7)).
    /**
     * The standard streams that are not set refer to the terminal. The parent's end is `basic_child::terminal()`.
     * Operations that do not return a child, such as `exec` and `async_run`, fail with `errc::unexpected_pipe`.
     */
    command& terminal(terminal_size size = {24, 80}) &
    {
        data_.terminal = size;
        return *this;
    }
    command&& terminal(terminal_size size = {24, 80}) && { return std::move(terminal(size)); }

    /// Runs the child on an open terminal, as the leader of a new session whose controlling terminal it is.
    /**
     * The standard streams that are not set refer to the terminal. The descriptor is borrowed: it may be closed once
     * the initiating function has returned. Unlike `terminal`, the child object has no end of it.
     *
     * Fails with stage `terminal`: `bad_file_descriptor`, `inappropriate_io_control_operation` if it is not a terminal,
     * `operation_not_permitted` if it is the controlling terminal of another session. Fails with `invalid_argument`
     * together with `terminal`, `foreground` or `process_group`. See TIOCSCTTY in ioctl_tty(2).
     */
    command& controlling_terminal(int fd) &
    {
        data_.controlling_terminal = fd;
        return *this;
    }
    command&& controlling_terminal(int fd) && { return std::move(controlling_terminal(fd)); }

    /// Ends everything that the child starts together with the child. Linux only.
    /**
     * When the child ends, is killed or is dropped, or when this process dies, every descendant of the child is killed
     * with SIGKILL, in whatever session or process group. Waits complete after the last of them is gone. `kill_tree`
     * reaches all of them.
     *
     * Where the system lets this process create a cgroup below its own, the child has a cgroup. Otherwise a small guard
     * process runs between this process and the child. See doc/containment.md for the limits of both.
     *
     * Fails with `not_supported` before anything is started: in `exec`, and on systems that execute
     * neither memory files nor the program that is installed with the library.
     * Where a guard is needed, also with `parent_death_signal`, `pre_exec`, `namespaces`, another backend than `vfork`
     * and a program or file named through `/proc`, and on systems without pidfds.
     */
    command& contained() &
    {
        data_.contained = true;
        return *this;
    }
    command&& contained() && { return std::move(contained()); }

    /// The file mode creation mask (umask(2)).
    command& umask(mode_t mask) &
    {
        data_.umask = mask;
        return *this;
    }
    command&& umask(mode_t mask) && { return std::move(umask(mask)); }

    /// A resource limit (setrlimit(2)), such as RLIMIT_NOFILE. It is set after the descriptors are in place.
    command& limit(int resource, rlim_t soft, rlim_t hard) &
    {
        data_.limits.push_back({resource, detail::resource_limit::widen(soft), detail::resource_limit::widen(hard)});
        return *this;
    }
    command&& limit(int resource, rlim_t soft, rlim_t hard) && { return std::move(limit(resource, soft, hard)); }

    /// Adds to the nice value (nice(2)). The system clamps the sum.
    command& nice(int increment) &
    {
        data_.nice = increment;
        return *this;
    }
    command&& nice(int increment) && { return std::move(nice(increment)); }

    /// The processors to run on, numbered from 0 (sched_setaffinity(2)). Linux only.
    command& affinity(std::vector<int> processors) &
    {
        data_.affinity = std::move(processors);
        return *this;
    }
    command&& affinity(std::vector<int> processors) && { return std::move(affinity(std::move(processors))); }
    /// The same, as arguments: `affinity(0, 1)`.
    template <std::convertible_to<int>... Values>
    command& affinity(Values... processors) &
    {
        return affinity(std::vector<int>{static_cast<int>(processors)...});
    }
    template <std::convertible_to<int>... Values>
    command&& affinity(Values... processors) &&
    {
        return std::move(affinity(processors...));
    }

    /// The signal that the child receives when the **thread** that spawned it ends (prctl(2)). Linux only.
    /**
     * If the parent ends before the child has requested the signal, the child exits without running the program.
     */
    command& parent_death_signal(int signal) &
    {
        data_.parent_death_signal = signal;
        return *this;
    }
    command&& parent_death_signal(int signal) && { return std::move(parent_death_signal(signal)); }

    /// Sets no_new_privs (prctl(2)): execve(2) grants the child and its descendants no new privileges. Linux only.
    command& no_new_privileges() &
    {
        data_.no_new_privileges = true;
        return *this;
    }
    command&& no_new_privileges() && { return std::move(no_new_privileges()); }

    /// The capabilities that the program has without being root, such as `{CAP_NET_BIND_SERVICE}`. Linux only.
    /**
     * They become ambient (capabilities(7)), also for another `user`. This process must have them.
     */
    command& ambient_capabilities(std::vector<int> numbers) &
    {
        data_.ambient_capabilities = std::move(numbers);
        return *this;
    }
    command&& ambient_capabilities(std::vector<int> numbers) &&
    {
        return std::move(ambient_capabilities(std::move(numbers)));
    }
    /// The same, as arguments.
    template <std::convertible_to<int>... Values>
    command& ambient_capabilities(Values... numbers) &
    {
        return ambient_capabilities(std::vector<int>{static_cast<int>(numbers)...});
    }
    template <std::convertible_to<int>... Values>
    command&& ambient_capabilities(Values... numbers) &&
    {
        return std::move(ambient_capabilities(numbers...));
    }

    /// The capabilities that the program and its descendants can have at most, even as root. Linux only.
    /**
     * All others are removed from the bounding set, the inheritable set and the ambient set (capabilities(7)). The
     * child needs CAP_SETPCAP, unless the bounding set is already that small. An ambient capability that is not among
     * them is an error.
     */
    command& bounding_capabilities(std::vector<int> numbers) &
    {
        data_.bounding_capabilities = std::move(numbers);
        return *this;
    }
    command&& bounding_capabilities(std::vector<int> numbers) &&
    {
        return std::move(bounding_capabilities(std::move(numbers)));
    }
    /// The same, as arguments.
    template <std::convertible_to<int>... Values>
    command& bounding_capabilities(Values... numbers) &
    {
        return bounding_capabilities(std::vector<int>{static_cast<int>(numbers)...});
    }
    template <std::convertible_to<int>... Values>
    command&& bounding_capabilities(Values... numbers) &&
    {
        return std::move(bounding_capabilities(numbers...));
    }

    /// Creates the child in new namespaces (namespaces(7)). Linux only.
    /**
     * The child is created inside, so every other setting is applied inside: `user`, `group` and `groups` are ids of
     * the user namespace, and limits, `nice` and `chroot` need the child's rights there.
     *
     * - `ns::user`: the other namespaces then need no privilege. Until its exec the child has all capabilities inside;
     *   the program keeps them if its user is 0 inside. Without `map_uid` and `map_gid`, the ids are the same inside.
     * - `ns::pid`: the program is process 1 inside; `id` is its pid outside. When it ends, the kernel kills all others
     *   inside, and waits complete after the last of them is gone. Process 1 ignores signals that it has no handler
     *   for, except SIGKILL and SIGSTOP; this includes the signals of `signal` and of stop plans. `/proc` still shows
     *   the processes outside until a new one is mounted.
     * - `ns::mount`: mounts inside are not visible outside, and later ones outside not inside.
     * - `ns::cgroup`: the root is the cgroup in which the child starts.
     *
     * Errors have the stage `namespaces`: `operation_not_permitted` without the privilege (CAP_SYS_ADMIN, or that user
     * namespaces are allowed), `no_space_on_device` if there are too many, `permission_denied` if an unprivileged
     * process is not dumpable (prctl(2)), as after a change of its user. Mapping ids needs `/proc`. `pre_exec` can
     * mount file systems inside; handlers of pthread_atfork(3) do not run in the child.
     *
     * Fails with `not_supported` before anything is started: with a guard (`contained`), in `exec`, with the backend
     * `posix_spawn`, and with both `ns::pid` and `parent_death_signal`. `ns::pid` together with `process_group(leader)`
     * fails with `invalid_argument`. In a pipeline, a child in a PID namespace does not join the process group.
     */
    command& namespaces(std::vector<ns> kinds) &
    {
        data_.namespaces = std::move(kinds);
        return *this;
    }
    command&& namespaces(std::vector<ns> kinds) && { return std::move(namespaces(std::move(kinds))); }
    /// The same, as arguments: `namespaces(ns::user, ns::pid)`.
    template <std::same_as<ns>... Kinds>
    command& namespaces(Kinds... kinds) &
    {
        return namespaces(std::vector<ns>{kinds...});
    }
    template <std::same_as<ns>... Kinds>
    command&& namespaces(Kinds... kinds) &&
    {
        return std::move(namespaces(kinds...));
    }

    /// Maps `count` user ids of the new user namespace, from `inside` on, to this process's ids from `outside` on.
    /**
     * Each call adds a line to `/proc/PID/uid_map` (user_namespaces(7)). Default: the effective user, with the same id.
     * Without CAP_SETUID, only a single line with the effective user is permitted. Invalid or overlapping ranges, and
     * ranges without `ns::user`, fail with `invalid_argument`.
     */
    command& map_uid(uid_t inside, uid_t outside, std::uint32_t count = 1) &
    {
        data_.uid_map.push_back({inside, outside, count});
        return *this;
    }
    command&& map_uid(uid_t inside, uid_t outside, std::uint32_t count = 1) &&
    {
        return std::move(map_uid(inside, outside, count));
    }

    /// The same for group ids and CAP_SETGID. Without it, the program and its descendants cannot use setgroups(2).
    command& map_gid(gid_t inside, gid_t outside, std::uint32_t count = 1) &
    {
        data_.gid_map.push_back({inside, outside, count});
        return *this;
    }
    command&& map_gid(gid_t inside, gid_t outside, std::uint32_t count = 1) &&
    {
        return std::move(map_gid(inside, outside, count));
    }

    /// Filters the system calls of the program and its descendants (seccomp(2)). Linux only.
    /**
     * The argument is a classic BPF program: a range of `sock_filter` or `bpf_instruction`. The child installs it
     * immediately before execve(2), after every other step. It must allow execve; and write(2), sendto(2), kill(2) and
     * exit_group(2) to report a failure of execve. If the filter kills the child there, the spawn succeeds and the
     * status is SIGSYS; if it refuses every report of a failure, the status is SIGKILL or SIGILL.
     *
     * Errors have the stage `seccomp`: `permission_denied` without `no_new_privileges` and CAP_SYS_ADMIN,
     * `invalid_argument` for a program that is empty, too long or malformed. If `exec` fails, the filter stays.
     */
    template <detail::bpf_program Program>
    command& seccomp(Program const& filter) &
    {
        auto& copy = data_.seccomp.emplace();
        for (auto const& instruction : filter)
            copy.push_back({instruction.code, instruction.jt, instruction.jf, instruction.k});
        return *this;
    }
    template <detail::bpf_program Program>
    command&& seccomp(Program const& filter) &&
    {
        return std::move(seccomp(filter));
    }

    /// The cgroup v2 directory in which the child starts (cgroups(7)). Linux only.
    /**
     * The program and its descendants run inside the cgroup. With clone3(2) the child is created inside (Linux 5.7);
     * otherwise the fork backend moves it there before any other step.
     *
     * The directory must exist, and no domain controller may be enabled for its subdirectories. The parent needs write
     * access to its `cgroup.procs`. Errors have the stage `cgroup`; `invalid_argument` means that the path is not a
     * cgroup v2 directory. The child object keeps a descriptor of the directory for `kill_tree`.
     */
    command& cgroup(detail::text_arg path) &
    {
        data_.cgroup = path;
        return *this;
    }
    command&& cgroup(detail::text_arg path) && { return std::move(cgroup(path)); }

    /// Starts the child in a cgroup of its own below the scope. Linux only.
    /**
     * If the scope has been destroyed, the spawn fails with `no_such_file_or_directory` and stage `cgroup`.
     */
    BROOD_API command& cgroup(cgroup_scope const& scope) &;
    command&& cgroup(cgroup_scope const& scope) && { return std::move(cgroup(scope)); }

    /// The child's root directory (chroot(2)). It needs CAP_SYS_CHROOT and is entered with the parent's credentials.
    /**
     * The working directory is then `/`, unless `current_dir` names another one inside. The program is searched inside;
     * files of `stdio::file` are opened outside. Descriptors that are passed on may lead outside.
     */
    command& chroot(detail::text_arg path) &
    {
        data_.root = path;
        return *this;
    }
    command&& chroot(detail::text_arg path) && { return std::move(chroot(path)); }

    /// The signals that are blocked when the program starts. Default: the mask of the spawning thread.
    command& signal_mask(std::vector<int> blocked) &
    {
        data_.signal_mask = std::move(blocked);
        return *this;
    }
    command&& signal_mask(std::vector<int> blocked) && { return std::move(signal_mask(std::move(blocked))); }
    /// The same, as arguments: `signal_mask(SIGUSR1)`.
    template <std::convertible_to<int>... Values>
    command& signal_mask(Values... blocked) &
    {
        return signal_mask(std::vector<int>{static_cast<int>(blocked)...});
    }
    template <std::convertible_to<int>... Values>
    command&& signal_mask(Values... blocked) &&
    {
        return std::move(signal_mask(blocked...));
    }

    /// Resets every signal to its default disposition, and unblocks all signals unless `signal_mask` is set.
    /**
     * Default: SIGPIPE is reset, other ignored signals stay ignored.
     */
    command& reset_signals() &
    {
        data_.reset_signals = true;
        return *this;
    }
    command&& reset_signals() && { return std::move(reset_signals()); }

    /// Passes SIGPIPE on as it is in the parent: ignored or default. Without this call it is reset to the default.
    command& keep_sigpipe() &
    {
        data_.keep_sigpipe = true;
        return *this;
    }
    command&& keep_sigpipe() && { return std::move(keep_sigpipe()); }

    /// A function that the child calls before exec. It requires the fork backend.
    /**
     * Several functions are called in the order in which they were added. The first error fails the spawn.
     *
     * The child is a copy of a process that may have had other threads. The function may call only async-signal-safe
     * functions (signal-safety(7)); it must not allocate. A returned error or an exception fails the spawn with stage
     * `hook`. An error whose category is neither the system's nor the generic one is reported as `ECANCELED`.
     */
    command& pre_exec(std::function<error_code()> hook) &
    {
        data_.pre_exec.push_back(std::move(hook));
        return *this;
    }
    command&& pre_exec(std::function<error_code()> hook) && { return std::move(pre_exec(std::move(hook))); }

    /// Requires a backend. If it does not support the command, the spawn fails with `not_supported`.
    command& backend(spawn_backend choice) &
    {
        data_.backend = choice;
        return *this;
    }
    command&& backend(spawn_backend choice) && { return std::move(backend(choice)); }

    /// Requires a way to detect the exit. If the system lacks it, the spawn fails with `not_supported`.
    /**
     * `exit_watcher::pidfd` requires that the child has a pidfd. If the reactor cannot watch it, SIGCHLD is used.
     */
    command& watcher(exit_watcher choice) &
    {
        data_.watcher = choice;
        return *this;
    }
    command&& watcher(exit_watcher choice) && { return std::move(watcher(choice)); }

    /// For the library: the cgroup of the pipeline that the command is a stage of.
    void pipeline_cgroup(std::shared_ptr<detail::child_cgroup> whole) { data_.pipeline_cgroup = std::move(whole); }

    std::string const& program() const noexcept { return data_.program; }                  ///< As given.
    std::vector<std::string> const& arguments() const noexcept { return data_.arguments; } ///< Without argv[0].

    /// The settings, for the library. Their form may change.
    detail::command_data const& data() const noexcept { return data_; }

    /// Prints what a shell user would type: `cd d && env -u K A="1 2" prog x`. Words are quoted if a shell requires it.
    /**
     * Control characters are escaped as in C.
     */
    BROOD_API friend std::ostream& operator<<(std::ostream& out, command const& cmd);

private:
    template <class Range>
    static std::vector<std::string> to_strings(Range& range)
    {
        std::vector<std::string> strings;
        for (auto&& each : range)
            strings.emplace_back(detail::text_arg(each));
        return strings;
    }

    BROOD_API void put_under(std::vector<std::string> launcher);
    BROOD_API void put_under_shell(std::vector<std::string> launcher);

    detail::command_data data_;
};

/// The line for which a POSIX shell executes the program: `cd -P ./d && exec env -u K -- A='1 2' prog x`.
/**
 * The program receives the arguments, the values of variables and the working directory byte for byte, if the line is
 * passed to `sh -c`, `ssh HOST` or the like. The program replaces the shell. dash, bash, BusyBox, mksh and zsh execute
 * the line; csh and fish do not. Removing a variable needs an env(1) with `-u`, which POSIX does not require.
 *
 * Only the program, its arguments, the environment and the working directory are part of the line. A relative directory
 * is resolved in the shell's. `env_keep` keeps variables of the shell. The shell may set variables of its own, such as
 * `PWD`, and reports that the program is missing by the exit status 127.
 *
 * Fails with
 *
 * * `nul_byte`, `empty_program`, `invalid_environment_key` like a spawn;
 * * ENOENT and the stage `directory` if the working directory is empty, like a spawn;
 * * `inexpressible` with `arg0`, with `chroot`, if `env_keep` keeps a variable that is not an identifier, and if env(1)
 *   is necessary and would not take the program's name for one: it contains `=` or is `-`. Changes of the environment
 *   and a program whose name starts with `-` make it necessary.
 */
BROOD_API result<std::string> shell_line(command const& cmd);

/// The path of the first file along PATH that the caller may execute.
/**
 * A spawn tries the next one if the kernel cannot execute that file, for example because its interpreter is missing. A
 * name with `/` is returned unchanged if the caller may execute it. The errors are those of a spawn, with stage `exec`.
 */
BROOD_API result<std::string> find_program(detail::text_arg name);

/// The text of an error that a command caused: `convert: change directory to /srv/images: No such file or directory`.
BROOD_API std::string describe(command const& cmd, error_code const& error);

} // namespace brood

#endif
