// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"
#include "os/files.hpp"
#include "os/process.hpp"
#include "os/signals.hpp"
#include "os/spawn_extensions.hpp"
#include "spawn/backend.hpp"
#include "spawn/exec_search.hpp"

#include <cerrno>
#include <climits>
#include <utility>

#include <signal.h>
#include <unistd.h>

namespace brood::detail {
namespace {

// posix_spawn closes the descriptors between two mapped ones one by one, if they are few.
constexpr int max_single_closes = 64;

bool is_supported(step const& s, plan const& p, os::spawn_extensions const& libc) noexcept
{
    switch (s.what) {
    case action::set_session: return libc.new_session != 0;
    case action::change_directory:
        return libc.add_change_directory && (libc.relative_after_directory || p.candidates[0].starts_with('/'));
    case action::close_range: return s.b == INT_MAX ? libc.add_close_from != nullptr : s.b - s.a < max_single_closes;
    case action::dup_fd: {
        // libc refuses numbers above the soft limit, although such a descriptor may be open.
        return os::is_valid_target(s.a) && os::is_valid_target(s.b);
    }
    case action::open_file:
    case action::close_marked: // left out: the child keeps these descriptors until its exec
    case action::set_group:
    case action::default_signals:
    case action::set_mask:
    case action::execute: return true;
    default: return false;
    }
}

step const* posix_spawn_unsupported_step(plan const& p)
{
    auto const& libc = os::find_spawn_extensions();
    for (auto const& s : p.steps)
        if (!is_supported(s, p, libc))
            return &s;
    return nullptr;
}

// The file actions and attributes of a plan.
class spawn_attributes {
public:
    explicit spawn_attributes(plan const& p) noexcept
    {
        if ((error_ = ::posix_spawn_file_actions_init(&actions)) != 0)
            return;
        initialized_ = 1;
        if ((error_ = ::posix_spawnattr_init(&attributes)) != 0)
            return;
        initialized_ = 2;
        for (auto const& s : p.steps)
            if (error_ == 0)
                error_ = add(s);
        if (error_ == 0)
            error_ = ::posix_spawnattr_setflags(&attributes, flags_);
    }

    ~spawn_attributes()
    {
        if (initialized_ > 1)
            ::posix_spawnattr_destroy(&attributes);
        if (initialized_ > 0)
            ::posix_spawn_file_actions_destroy(&actions);
    }

    spawn_attributes(spawn_attributes const&) = delete;
    spawn_attributes& operator=(spawn_attributes const&) = delete;

    int error() const noexcept { return error_; }

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

private:
    int add(step const& s) noexcept
    {
        auto const& libc = os::find_spawn_extensions();
        switch (s.what) {
        case action::set_session: return with_flag(libc.new_session, 0);
        case action::set_group: return with_flag(POSIX_SPAWN_SETPGROUP, ::posix_spawnattr_setpgroup(&attributes, s.a));
        case action::dup_fd: return ::posix_spawn_file_actions_adddup2(&actions, s.a, s.b);
        case action::open_file:
            return ::posix_spawn_file_actions_addopen(&actions, s.b, static_cast<char const*>(s.data), s.a, 0);
        case action::close_range: return add_close(s.a, s.b);
        case action::change_directory: return libc.add_change_directory(&actions, static_cast<char const*>(s.data));
        case action::default_signals: {
            auto const set = os::to_sigset(*static_cast<os::raw::signal_bits const*>(s.data));
            return with_flag(POSIX_SPAWN_SETSIGDEF, ::posix_spawnattr_setsigdefault(&attributes, &set));
        }
        case action::set_mask: {
            auto const set = os::to_sigset(*static_cast<os::raw::signal_bits const*>(s.data));
            return with_flag(POSIX_SPAWN_SETSIGMASK, ::posix_spawnattr_setsigmask(&attributes, &set));
        }
        default: return 0; // `close_marked`, and `execute`, which is an argument of posix_spawn itself
        }
    }

    int add_close(int first, int last) noexcept
    {
        if (last == INT_MAX)
            return os::find_spawn_extensions().add_close_from(&actions, first);
        int error = 0;
        for (int fd = first; fd <= last && error == 0; ++fd)
            error = ::posix_spawn_file_actions_addclose(&actions, fd);
        return error;
    }

    int with_flag(short flag, int error) noexcept
    {
        flags_ = static_cast<short>(flags_ | flag);
        return error;
    }

    short flags_ = 0;
    int error_ = 0;
    int initialized_ = 0; // the number of objects that exist
};

// posix_spawn returns the errno of the child but not the step that failed. This function finds the step.
spawn_stage stage_of_failure(plan const& p, int error) noexcept
{
    if (os::posix_spawn_refused_with(error))
        return spawn_stage::clone;
    for (auto const& s : p.steps) {
        bool failed = false;
        switch (s.what) {
        case action::set_session: failed = error == EPERM; break;
        case action::set_group: failed = error == EPERM || error == ESRCH; break;
        case action::dup_fd: failed = error == EBADF || error == EMFILE; break;
        case action::change_directory: failed = os::chdir_error(static_cast<char const*>(s.data)) == error; break;
        default: break;
        }
        if (failed)
            return s.stage;
    }
    return error == EAGAIN || error == ENOMEM ? spawn_stage::clone : spawn_stage::exec;
}

// pidfd_getpid(3) reads /proc, for which it opens a descriptor. If that fails, the pid of the child is unknown.
result<spawned_child> with_pid(os::unique_fd pidfd) noexcept
{
    pid_t const pid = os::find_spawn_extensions().pidfd_getpid(pidfd.get());
    if (pid > 0)
        return spawned_child{pid, std::move(pidfd)};
    int const error = errno;
    os::child_id const child{-1, pidfd.get()};
    (void)os::send_signal(child, SIGKILL);
    (void)os::wait_for_exit(pidfd.get());
    (void)os::reap(child);
    return make_error_code(spawn_stage::clone, error);
}

result<spawned_child> spawn_once(plan const& p, spawn_attributes const& set, char const* path, pidfd_mode mode) noexcept
{
    auto const& libc = os::find_spawn_extensions();
    if (mode != pidfd_mode::none && os::pidfd_spawn_available()) {
        int pidfd = -1;
        int const error = libc.pidfd_spawn(&pidfd, path, &set.actions, &set.attributes, p.target.argv, p.target.envp);
        if (error == 0)
            return with_pid(os::unique_fd(pidfd));
        if (error != ENOSYS && error != EMFILE)
            return make_error_code(stage_of_failure(p, error), error);
    }
    pid_t pid = -1;
    int const error = os::spawn(&pid, path, &set.actions, &set.attributes, p.target.argv, p.target.envp);
    if (error != 0)
        return make_error_code(stage_of_failure(p, error), error);
    if (pid <= 0)
        return make_error_code(spawn_stage::clone, EPROTO);
    return ensure_pidfd({pid, os::unique_fd()}, mode);
}

// The error of a candidate that is known not to exist without starting a child; else 0.
int missing_error(plan const& p, char const* path) noexcept
{
    bool const same_path = path[0] == '/' || p.directory.empty();
    return same_path ? os::missing_error(path) : 0;
}

result<spawned_child> posix_spawn_launch(plan const& p, pidfd_mode mode, kill_switch*)
{
    spawn_attributes const set(p);
    if (set.error() != 0)
        return make_error_code(spawn_stage::prepare, set.error());
    int failure = 0;
    bool spawned = false;
    for (auto path = p.target.candidates; *path; ++path) {
        int error = missing_error(p, *path);
        bool const last = !path[1];
        if ((last && !spawned) || error == 0) { // a step before the exec may fail, too
            spawned = true;
            auto child = spawn_once(p, set, *path, mode);
            if (child)
                return child;
            error = child.error().value();
            if (stage_of(child.error()) != spawn_stage::exec || !continues_search(error))
                return child;
        }
        failure = pick_exec_error(failure, error);
    }
    return make_error_code(spawn_stage::exec, failure);
}

} // namespace

backend const posix_spawn_backend{
    spawn_backend::posix_spawn, os::posix_spawn_reports_failure, posix_spawn_unsupported_step, posix_spawn_launch};

} // namespace brood::detail
