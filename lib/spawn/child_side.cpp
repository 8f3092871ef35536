// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// This code runs between clone and exec. See os/raw.hpp for what that forbids.
#include "spawn/child_side.hpp"

#include "spawn/exec_search.hpp"

#include <cerrno>

namespace brood::detail {
namespace {

namespace raw = os::raw;

int execute_once(exec_target const& target) noexcept
{
    int result = 0;
    for (auto path = target.candidates; *path; ++path) {
        int const error = -raw::execute(*path, target.argv, target.envp);
        if (!continues_search(error))
            return -error;
        result = pick_exec_error(result, error);
    }
    return -result;
}

int close_marked(child_args const& args) noexcept
{
    return raw::close_marked(args.kept, sizeof args.kept / sizeof args.kept[0]);
}

// See launcher.cpp for the reason. The child's own copy of a descriptor may keep the program busy, or another program.
int execute(exec_target const& target, child_args const& args) noexcept
{
    int result = execute_once(target);
    if (result != -ETXTBSY || !args.is_unreported)
        return result;
    close_marked(args);
    for (int pause = 1; result == -ETXTBSY && pause <= 32; pause *= 2) {
        raw::sleep(pause);
        result = execute_once(target);
    }
    return result == -ENOENT ? -ETXTBSY : result; // a link led to a descriptor, which has been closed
}

int close_fds(int first, int last, child_args const& args) noexcept
{
    if (args.unshare_below >= 0 && args.unshare_below <= first)
        return 0; // they were not copied
    return raw::close_on_exec(first, last);
}

template <class T>
T const& as(void const* data) noexcept
{
    return *static_cast<T const*>(data);
}

// The group may have ended meanwhile.
int join_group(pid_t leader, child_args const& args) noexcept
{
    int const result = raw::set_process_group(leader);
    bool const is_gone = result == -EPERM || result == -ESRCH;
    return is_gone && args.may_lead_group ? raw::set_process_group(0) : result;
}

} // namespace

int run_step(step const& s, child_args const& args) noexcept
{
    switch (s.what) {
    case action::contain: return -ENOTSUP; // the relay carries it out: see contain/guard.hpp
    case action::begin_in_namespaces: return args.gate < 0 ? 0 : raw::await_permission(args.gate, args.gate_writer);
    case action::enter_cgroup: return args.born_in_cgroup ? 0 : raw::enter_cgroup(s.a);
    case action::unshare_cgroup_namespace: return raw::unshare_cgroup_namespace();
    case action::make_mounts_private: return raw::make_mounts_private();
    case action::set_session: return raw::set_session();
    case action::set_terminal: return raw::set_terminal(s.a);
    case action::set_group: return join_group(s.a, args);
    case action::set_foreground: return raw::set_foreground(s.a);
    case action::dup_fd: return raw::duplicate(s.a, s.b);
    case action::open_file: return raw::open(static_cast<char const*>(s.data), s.a, s.b);
    case action::close_range: return close_fds(s.a, s.b, args);
    case action::close_marked: return args.exec_self ? 0 : close_marked(args);
    case action::set_umask: return raw::set_umask(static_cast<mode_t>(s.a));
    case action::set_limit: {
        auto const& limit = as<detail::resource_limit>(s.data);
        return raw::set_limit(limit.resource, limit.soft, limit.hard);
    }
    case action::add_nice: return raw::add_nice(s.a);
    case action::set_affinity: return raw::set_affinity(static_cast<std::size_t>(s.a), s.data);
    case action::set_groups: return raw::set_groups(static_cast<std::size_t>(s.a), static_cast<gid_t const*>(s.data));
    case action::set_gid: return raw::set_group(as<gid_t>(s.data));
    case action::set_uid: return raw::set_user(as<uid_t>(s.data));
    case action::keep_capabilities: return raw::keep_capabilities();
    case action::limit_capabilities: return raw::limit_capabilities(as<std::uint64_t>(s.data));
    case action::clear_ambient: return raw::clear_ambient_capabilities();
    case action::raise_ambient: return raw::raise_ambient_capabilities(as<std::uint64_t>(s.data));
    case action::no_new_privs: return raw::no_new_privileges();
    case action::set_death_signal: return raw::set_death_signal(s.a, args.exec_self ? raw::parent() : s.b);
    case action::follow_guard: return raw::set_death_signal(SIGKILL, args.guard);
    case action::change_root: return raw::change_root(static_cast<char const*>(s.data));
    case action::change_directory: return raw::change_directory(static_cast<char const*>(s.data));
    case action::default_signals: return raw::default_signals(as<raw::signal_bits>(s.data));
    case action::set_mask: return raw::set_mask(as<raw::signal_bits>(s.data));
    case action::call_hook: {
        auto const& hook = as<hook_call>(s.data);
        return -hook.call(hook.argument);
    }
    case action::install_filter: return raw::install_filter(static_cast<std::size_t>(s.a), s.data);
    case action::execute: return execute(as<exec_target>(s.data), args);
    case action::execute_image: {
        auto const& target = as<exec_target>(s.data);
        return raw::execute_image(s.a, target.argv, target.envp);
    }
    }
    return -EINVAL;
}

namespace {

// If a filter refuses to copy some descriptors only, all are copied and the steps close the rest.
int own_descriptors(child_args& args) noexcept
{
    if (args.unshare_below < 0 || raw::unshare_descriptors(args.unshare_below) == 0)
        return 0;
    args.unshare_below = -1;
    return raw::unshare_all_descriptors();
}

void reset_signals(raw::inherited_signals const& inherited) noexcept
{
    if (!inherited.handlers)
        return;
    raw::default_handlers();
    raw::set_mask(inherited.mask);
}

constexpr int failed_child = 127; // the code that a shell uses; the parent reports the failure instead

} // namespace

failure run_steps(child_args const& args) noexcept
{
    for (std::size_t i = 0; i < args.count; ++i)
        if (int const outcome = run_step(args.steps[i], args); outcome < 0)
            return {-outcome, args.steps[i].stage};
    return {EINVAL, spawn_stage::prepare}; // every plan ends with an exec
}

void shared_child_main(void* argument) noexcept
{
    auto& args = *static_cast<child_args*>(argument);
    args.has_begun = true;
    if (args.early.pid) {
        bool const is_known = raw::parent() != 0; // not in a new PID namespace: the parent knows another pid
        if (is_known)
            raw::store(*args.early.pid, raw::own_pid());
        if (raw::load(*args.early.killed)) {
            if (is_known)
                raw::kill_self();
            args.report = {ECANCELED, spawn_stage::clone}; // the first process of a namespace cannot kill itself
            raw::exit_now(failed_child);
        }
    }
    if (args.yield_first)
        raw::yield();
    reset_signals(*args.inherited);
    int const owned = own_descriptors(args);
    args.report = owned < 0 ? failure{-owned, spawn_stage::clone} : run_steps(args);
    raw::exit_now(failed_child);
}

bool report(int report_fd, failure why) noexcept
{
    wire_report message{why, {}};
    for (int i = 0; i < 4; ++i)
        message.footer[i] = wire_report::mark[i];
    constexpr long size = sizeof message;
    return raw::write(report_fd, &message, sizeof message) == size ||
           raw::send(report_fd, &message, sizeof message) == size;
}

void report_and_exit(int report_fd, failure why) noexcept
{
    if (report(report_fd, why))
        raw::exit_now(failed_child);
    raw::kill_self(); // unlike a code, the signal is not taken for the program's exit
}

void run_and_report(child_args const& args) noexcept { report_and_exit(args.report_fd, run_steps(args)); }

void forked_child_main(child_args const& args, raw::inherited_signals const& inherited, bool send_pidfd) noexcept
{
    if (send_pidfd)
        raw::send_own_pidfd(args.report_fd);
    reset_signals(inherited);
    run_and_report(args);
}

} // namespace brood::detail
