// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/raw.hpp"

#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

namespace brood::os::raw {
namespace {

template <class T>
int checked(T result) noexcept
{
    return result < 0 ? -errno : static_cast<int>(result);
}

constexpr int last_signal = NSIG - 1 < 64 ? NSIG - 1 : 64;

int default_signal(int signal) noexcept
{
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    // EINVAL: libc reserves the signal, so its disposition cannot have been changed.
    return ::sigaction(signal, &action, nullptr) < 0 && errno != EINVAL ? -errno : 0;
}

template <class Function>
int for_each_number(int first, int last, Function what) noexcept
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    rlim_t const end = limit.rlim_max < 1 << 20 ? limit.rlim_max : 1 << 20;
    for (int fd = first; fd <= last && static_cast<rlim_t>(fd) < end; ++fd)
        what(fd);
    return 0;
}

} // namespace

int duplicate(int from, int to) noexcept
{
    if (from == to) {
        int const flags = ::fcntl(from, F_GETFD);
        return flags < 0 ? -errno : checked(::fcntl(from, F_SETFD, flags & ~FD_CLOEXEC));
    }
    int result;
    do
        result = ::dup2(from, to);
    while (result < 0 && (errno == EINTR || errno == EBUSY));
    return checked(result);
}

int open(char const* path, int flags, int to) noexcept
{
    int fd;
    do
        fd = ::open(path, flags | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0 || fd == to)
        return checked(fd);
    int const result = duplicate(fd, to);
    ::close(fd);
    return result;
}

int close_on_exec(int first, int last) noexcept
{
    return for_each_number(first, last, [](int fd) { ::fcntl(fd, F_SETFD, FD_CLOEXEC); });
}

int close_marked(int const* spared, std::size_t count) noexcept
{
    return for_each_number(0, INT_MAX, [=](int fd) {
        for (std::size_t i = 0; i < count; ++i)
            if (spared[i] == fd)
                return;
        if (::fcntl(fd, F_GETFD) == FD_CLOEXEC)
            ::close(fd);
    });
}

int unshare_descriptors(int) noexcept { return -ENOSYS; }
int unshare_all_descriptors() noexcept { return -ENOSYS; }

long write(int fd, void const* data, std::size_t size) noexcept
{
    long result;
    do
        result = ::write(fd, data, size);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

long send(int socket, void const* data, std::size_t size) noexcept
{
    long result;
    do
        result = ::send(socket, data, size, 0);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

int enter_cgroup(int) noexcept { return -ENOTSUP; }

int set_session() noexcept { return checked(::setsid()); }
int set_terminal(int fd) noexcept { return checked(::ioctl(fd, TIOCSCTTY, 0)); }
int set_process_group(pid_t leader) noexcept { return checked(::setpgid(0, leader)); }
int set_foreground(int terminal) noexcept { return checked(::tcsetpgrp(terminal, ::getpid())); }

int set_groups(std::size_t count, gid_t const* ids) noexcept
{
    return checked(::setgroups(static_cast<int>(count), ids));
}

// Without the privilege, the first call sets the effective id alone.
int set_group(gid_t id) noexcept { return ::setgid(id) < 0 ? -errno : checked(::setregid(id, id)); }
int set_user(uid_t id) noexcept { return ::setuid(id) < 0 ? -errno : checked(::setreuid(id, id)); }

int no_new_privileges() noexcept { return -ENOTSUP; }
int keep_capabilities() noexcept { return -ENOTSUP; }
int clear_ambient_capabilities() noexcept { return 0; }
int raise_ambient_capabilities(std::uint64_t) noexcept { return -ENOTSUP; }
int limit_capabilities(std::uint64_t) noexcept { return -ENOTSUP; }
int await_permission(int, int) noexcept { return -ENOTSUP; }
int unshare_cgroup_namespace() noexcept { return -ENOTSUP; }
int make_mounts_private() noexcept { return -ENOTSUP; }
int install_filter(std::size_t, void const*) noexcept { return -ENOTSUP; }

int set_umask(mode_t mask) noexcept
{
    ::umask(mask);
    return 0;
}

int set_limit(int resource, std::uint64_t soft, std::uint64_t hard) noexcept
{
    auto const narrow = [](std::uint64_t n) { return n == ~std::uint64_t{0} ? RLIM_INFINITY : static_cast<rlim_t>(n); };
    rlimit const limit{narrow(soft), narrow(hard)};
    return checked(::setrlimit(static_cast<decltype(RLIMIT_NOFILE)>(resource), &limit));
}

int add_nice(int increment) noexcept
{
    errno = 0;
    int const current = ::getpriority(PRIO_PROCESS, 0);
    if (current == -1 && errno != 0)
        return -errno;
    return checked(::setpriority(PRIO_PROCESS, 0, current + increment));
}

int set_affinity(std::size_t, void const*) noexcept { return -ENOTSUP; }
pid_t own_pid() noexcept { return ::getpid(); }
pid_t parent() noexcept { return ::getppid(); }
int set_death_signal(int, pid_t) noexcept { return -ENOTSUP; }

int change_root(char const* path) noexcept
{
    int const result = checked(::chroot(path));
    return result < 0 ? result : change_directory("/");
}

int change_directory(char const* path) noexcept { return checked(::chdir(path)); }

int default_signals(signal_bits set) noexcept
{
    for (int signal = 1; signal <= last_signal; ++signal)
        if ((set & bit_of(signal)) && signal != SIGKILL && signal != SIGSTOP)
            if (int const result = default_signal(signal); result < 0)
                return result;
    return 0;
}

void default_handlers() noexcept
{
    for (int signal = 1; signal <= last_signal; ++signal) {
        struct sigaction current {};
        if (::sigaction(signal, nullptr, &current) == 0 && current.sa_handler != SIG_DFL &&
            current.sa_handler != SIG_IGN)
            default_signal(signal);
    }
}

int set_mask(signal_bits blocked) noexcept
{
    sigset_t set;
    sigemptyset(&set);
    for (int signal = 1; signal <= last_signal; ++signal)
        if (blocked & bit_of(signal))
            sigaddset(&set, signal);
    return checked(::sigprocmask(SIG_SETMASK, &set, nullptr));
}

int execute(char const* path, char* const* argv, char* const* envp) noexcept
{
    return checked(::execve(path, argv, envp));
}

int execute_image(int, char* const*, char* const*) noexcept { return -ENOSYS; }

void exit_now(int code) noexcept { ::_exit(code); }
void kill_self() noexcept
{
    ::kill(::getpid(), SIGKILL);
    ::_exit(127);
}
void sleep(int milliseconds) noexcept { ::poll(nullptr, 0, milliseconds); }

void yield() noexcept { ::sched_yield(); }

void send_own_pidfd(int) noexcept {}

} // namespace brood::os::raw
