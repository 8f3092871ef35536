// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/backend.hpp"
#include "launch/search.hpp"
#include "os/files.hpp"
#include "os/process.hpp"
#include "os/signals.hpp"
#include "os/spawn_extensions.hpp"

#include <cerrno>
#include <climits>
#include <utility>

#include <signal.h>
#include <unistd.h>

namespace brood::launch {
namespace {

// Closing descriptors one by one is worth it between two mapped ones that lie close together.
constexpr int most_single_closes = 64;

bool can_express(step const& s, plan const& p, os::spawn_extensions const& libc) noexcept
{
    switch (s.what) {
    case action::set_session: return libc.new_session != 0;
    case action::change_directory:
        return libc.add_change_directory && (libc.relative_after_directory || p.candidates[0].starts_with('/'));
    case action::close_range: return s.b == INT_MAX ? libc.add_close_from != nullptr : s.b - s.a < most_single_closes;
    case action::move_fd: {
        // libc refuses numbers above the soft limit, though such a descriptor may be open.
        long const limit = ::sysconf(_SC_OPEN_MAX);
        return limit < 0 || (s.a < limit && s.b < limit);
    }
    case action::set_group:
    case action::default_signals:
    case action::set_mask:
    case action::execute: return true;
    default: return false;
    }
}

step const* spawn_inexpressible(plan const& p) noexcept
{
    auto const& libc = os::find_spawn_extensions();
    for (auto const& s : p.steps)
        if (!can_express(s, p, libc))
            return &s;
    return nullptr;
}

// A plan in the terms of posix_spawn(3).
class translation {
public:
    explicit translation(plan const& p) noexcept
    {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
        for (auto const& s : p.steps)
            if (error_ == 0)
                error_ = add(s);
        if (error_ == 0)
            error_ = ::posix_spawnattr_setflags(&attributes, flags_);
    }

    ~translation()
    {
        ::posix_spawnattr_destroy(&attributes);
        ::posix_spawn_file_actions_destroy(&actions);
    }

    translation(translation const&) = delete;
    translation& operator=(translation const&) = delete;

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
        case action::move_fd: return ::posix_spawn_file_actions_adddup2(&actions, s.a, s.b);
        case action::close_range: return add_close(s.a, s.b);
        case action::change_directory: return libc.add_change_directory(&actions, static_cast<char const*>(s.data));
        case action::default_signals: {
            auto const set = os::to_sigset(*static_cast<os::raw::signal_bits const*>(s.data));
            return with_flag(POSIX_SPAWN_SETSIGDEF, ::posix_spawnattr_setsigdefault(&attributes, &set));
        }
        case action::set_mask: {
            if (!s.data)
                return 0; // the calling thread's, as it is
            auto const set = os::to_sigset(*static_cast<os::raw::signal_bits const*>(s.data));
            return with_flag(POSIX_SPAWN_SETSIGMASK, ::posix_spawnattr_setsigmask(&attributes, &set));
        }
        default: return 0; // execute: an argument of the call itself
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
};

// posix_spawn gives one errno for everything that happens in the child; this finds out which step it came from.
spawn_stage stage_of_failure(plan const& p, int error) noexcept
{
    if (os::posix_spawn_refused_with(error))
        return spawn_stage::clone;
    for (auto const& s : p.steps) {
        bool blamed = false;
        switch (s.what) {
        case action::set_session: blamed = error == EPERM; break;
        case action::set_group: blamed = error == EPERM || error == ESRCH; break;
        case action::move_fd: blamed = error == EBADF || error == EMFILE; break;
        case action::change_directory:
            blamed = os::entering_fails_with(static_cast<char const*>(s.data)) == error;
            break;
        default: break;
        }
        if (blamed)
            return s.stage;
    }
    return error == EAGAIN || error == ENOMEM ? spawn_stage::clone : spawn_stage::exec;
}

// pidfd_getpid(3) reads /proc, for which it opens a descriptor. If that fails, nobody knows the pid of the child.
result<launched> with_pid(os::unique_fd pidfd) noexcept
{
    pid_t const pid = os::find_spawn_extensions().pidfd_getpid(pidfd.get());
    if (pid > 0)
        return launched{pid, std::move(pidfd)};
    int const error = errno;
    os::child_id const child{-1, pidfd.get()};
    (void)os::send_signal(child, SIGKILL);
    (void)os::wait_for_exit(pidfd.get());
    (void)os::reap(child);
    return make_error_code(spawn_stage::clone, error);
}

result<launched> spawn_once(plan const& p, translation const& words, char const* path, pidfd_wish wish) noexcept
{
    auto const& libc = os::find_spawn_extensions();
    if (wish != pidfd_wish::none && os::pidfd_spawn_available()) {
        int pidfd = -1;
        int const error =
            libc.pidfd_spawn(&pidfd, path, &words.actions, &words.attributes, p.target.argv, p.target.envp);
        if (error == 0)
            return with_pid(os::unique_fd(pidfd));
        if (error != ENOSYS && error != EMFILE)
            return make_error_code(stage_of_failure(p, error), error);
    }
    pid_t pid = -1;
    int const error = os::spawn(&pid, path, &words.actions, &words.attributes, p.target.argv, p.target.envp);
    if (error != 0)
        return make_error_code(stage_of_failure(p, error), error);
    return finish({pid, os::unique_fd()}, wish);
}

// Whether it is plain, without a child, that a candidate is not there.
bool is_missing(plan const& p, char const* path) noexcept
{
    bool const seen_from_here = path[0] == '/' || p.directory.empty();
    return seen_from_here && os::is_missing(path);
}

result<launched> spawn_launch(plan const& p, pidfd_wish wish)
{
    translation const words(p);
    if (words.error() != 0)
        return make_error_code(spawn_stage::prepare, words.error());
    int told = 0;
    for (auto path = p.target.candidates; *path; ++path) {
        int error = ENOENT;
        bool const alone = p.candidates.size() == 1;
        if (alone || !is_missing(p, *path)) {
            auto child = spawn_once(p, words, *path, wish);
            if (child)
                return child;
            error = child.error().value();
            if (stage_of(child.error()) != spawn_stage::exec || !is_passed_over(error))
                return child;
        }
        told = telling(told, error);
    }
    return make_error_code(spawn_stage::exec, told);
}

} // namespace

backend const posix_spawn_backend{
    spawn_backend::posix_spawn, os::posix_spawn_tells_failure, spawn_inexpressible, spawn_launch};

} // namespace brood::launch
