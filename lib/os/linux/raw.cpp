// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/raw.hpp"

#include "os/linux/abi.hpp"
#include "os/linux/syscall.hpp"

#include <climits>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

namespace brood::os::raw {
namespace {

// On some architectures the calls without suffix take 16-bit ids.
#ifdef SYS_setresuid32
constexpr long sys_setresuid = SYS_setresuid32, sys_setresgid = SYS_setresgid32, sys_setgroups = SYS_setgroups32;
#else
constexpr long sys_setresuid = SYS_setresuid, sys_setresgid = SYS_setresgid, sys_setgroups = SYS_setgroups;
#endif

constexpr int last_signal = 64;

// Constants, and variables that the kernel sets: a compiler may call memset to clear a variable, and sanitizers replace it.
constexpr abi::sigaction default_action{SIG_DFL, {}};
constexpr abi::rlimit no_core{0, 0};

int default_signal(int signal) noexcept
{
    return call(SYS_rt_sigaction, signal, word(&default_action), 0, sizeof(signal_bits));
}

// Parses the name of an entry in /proc/self/fd. Returns -1 for "." and "..".
int parse_fd(char const* name) noexcept
{
    int number = 0;
    for (; *name; ++name) {
        if (*name < '0' || *name > '9')
            return -1;
        number = number * 10 + (*name - '0');
    }
    return number;
}

// Uses the list in /proc/self/fd.
template <class Function>
int for_each_listed(Function what) noexcept
{
    alignas(abi::directory_entry) char buffer[1024];
    int const listing = call(SYS_openat, AT_FDCWD, word("/proc/self/fd"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (listing < 0)
        return listing;
    int size = 0;
    while ((size = call(SYS_getdents64, listing, word(&buffer[0]), sizeof buffer)) > 0) {
        for (int at = 0; at < size;) {
            auto const* entry = reinterpret_cast<abi::directory_entry const*>(&buffer[at]);
            int const fd = parse_fd(entry->name);
            if (fd >= 0 && fd != listing)
                what(fd);
            at += entry->length;
        }
    }
    call(SYS_close, listing);
    return size;
}

template <class Function>
int for_each_number(int first, int last, Function what) noexcept
{
    abi::rlimit limit;
    int const result = call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, word(&limit));
    if (result < 0)
        return result;
    // If the soft limit was lowered after descriptors were opened, they can be above it. The hard limit is safer.
    int const end = limit.hard < 1 << 20 ? static_cast<int>(limit.hard) : 1 << 20;
    for (int fd = first; fd <= last && fd < end; ++fd)
        what(fd);
    return 0;
}

template <class Function>
int for_each_other(int const* spared, std::size_t count, Function what) noexcept
{
    auto const unless_spared = [=](int fd) {
        for (std::size_t i = 0; i < count; ++i)
            if (spared[i] == fd)
                return;
        what(fd);
    };
    return for_each_listed(unless_spared) == 0 ? 0 : for_each_number(0, INT_MAX, unless_spared);
}

} // namespace

int duplicate(int from, int to) noexcept
{
    if (from == to) {
        int const flags = call(SYS_fcntl, from, F_GETFD);
        return flags < 0 ? flags : call(SYS_fcntl, from, F_SETFD, flags & ~FD_CLOEXEC);
    }
    int result;
    do
        result = call(SYS_dup3, from, to, 0);
    while (result == -EINTR || result == -EBUSY);
    return result;
}

int open(char const* path, int flags, int to) noexcept
{
    int fd;
    do
        fd = call(SYS_openat, AT_FDCWD, word(path), flags | O_NOCTTY);
    while (fd == -EINTR);
    if (fd < 0 || fd == to)
        return fd;
    int const result = duplicate(fd, to);
    call(SYS_close, fd);
    return result;
}

int close_on_exec(int first, int last) noexcept
{
    constexpr int close_range_cloexec = 4; // since Linux 5.11
    if (call(abi::sys_close_range, first, last, close_range_cloexec) == 0)
        return 0;
    auto const mark = [=](int fd) {
        if (fd >= first && fd <= last)
            call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    };
    return for_each_listed(mark) == 0 ? 0 : for_each_number(first, last, mark);
}

int close_marked(int const* spared, std::size_t count) noexcept
{
    return for_each_other(spared, count, [](int fd) {
        if (call(SYS_fcntl, fd, F_GETFD) == FD_CLOEXEC)
            call(SYS_close, fd);
    });
}

int close_all_but(int const* spared, std::size_t count) noexcept
{
    return for_each_other(spared, count, [](int fd) { call(SYS_close, fd); });
}

int unshare_descriptors(int first) noexcept
{
    constexpr int close_range_unshare = 2;
    return call(abi::sys_close_range, first, INT_MAX, close_range_unshare);
}

int unshare_all_descriptors() noexcept { return call(SYS_unshare, static_cast<long>(abi::clone_files)); }

long write(int fd, void const* data, std::size_t size) noexcept
{
    long result;
    do
        result = system_call(SYS_write, fd, word(data), word(size));
    while (result == -EINTR);
    return result;
}

long send(int socket, void const* data, std::size_t size) noexcept
{
    long result;
    do
        result = system_call(SYS_sendto, socket, word(data), word(size), MSG_NOSIGNAL);
    while (result == -EINTR);
    return result;
}

int enter_cgroup(int directory) noexcept
{
    int const members = call(SYS_openat, directory, word("cgroup.procs"), O_WRONLY | O_CLOEXEC);
    if (members < 0)
        return members;
    long const written = write(members, "0", 1); // 0 is the calling process
    call(SYS_close, members);
    return written < 0 ? static_cast<int>(written) : 0;
}

int set_session() noexcept { return call(SYS_setsid); }
int set_terminal(int fd) noexcept { return call(SYS_ioctl, fd, TIOCSCTTY, 0); }
int set_process_group(pid_t leader) noexcept { return call(SYS_setpgid, 0, leader); }
int set_foreground(int terminal) noexcept
{
    pid_t const group = call(SYS_getpid);
    return call(SYS_ioctl, terminal, TIOCSPGRP, word(&group));
}

int set_groups(std::size_t count, gid_t const* ids) noexcept { return call(sys_setgroups, word(count), word(ids)); }
int set_group(gid_t id) noexcept { return call(sys_setresgid, word(id), word(id), word(id)); }
int set_user(uid_t id) noexcept { return call(sys_setresuid, word(id), word(id), word(id)); }
int no_new_privileges() noexcept { return call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1); }
int keep_capabilities() noexcept { return call(SYS_prctl, PR_SET_KEEPCAPS, 1); }

// EINVAL before Linux 4.3, which has none.
int clear_ambient_capabilities() noexcept
{
    int const result = call(SYS_prctl, abi::prctl_ambient, abi::ambient_clear_all);
    return result == -EINVAL ? 0 : result;
}

// An ambient capability must be permitted and inheritable.
int raise_ambient_capabilities(std::uint64_t capabilities) noexcept
{
    abi::capability_header header = abi::own_capabilities;
    abi::capability_word words[2];
    if (int const result = call(SYS_capget, word(&header), word(words)); result < 0)
        return result;
    words[0].inheritable |= static_cast<std::uint32_t>(capabilities);
    words[1].inheritable |= static_cast<std::uint32_t>(capabilities >> 32);
    if (int const result = call(SYS_capset, word(&header), word(words)); result < 0)
        return result;
    for (long number = 0; number < 64; ++number)
        if ((capabilities >> number & 1) != 0)
            if (int const result = call(SYS_prctl, abi::prctl_ambient, abi::ambient_raise, number); result < 0)
                return result;
    return 0;
}

// Numbers that do not exist are not in the bounding set.
int limit_capabilities(std::uint64_t kept) noexcept
{
    for (long number = 0; number < 64; ++number)
        if ((kept >> number & 1) == 0 && call(SYS_prctl, PR_CAPBSET_READ, number) == 1)
            if (int const result = call(SYS_prctl, PR_CAPBSET_DROP, number); result < 0)
                return result;
    abi::capability_header header = abi::own_capabilities;
    abi::capability_word words[2];
    if (int const result = call(SYS_capget, word(&header), word(words)); result < 0)
        return result;
    words[0].inheritable &= static_cast<std::uint32_t>(kept);
    words[1].inheritable &= static_cast<std::uint32_t>(kept >> 32);
    return call(SYS_capset, word(&header), word(words)); // an ambient capability is inheritable
}

int await_permission(int reader, int writer) noexcept
{
    call(SYS_close, writer); // else the end of the parent would not end the wait
    int error = 0;
    int size;
    do
        size = call(SYS_read, reader, word(&error), sizeof error);
    while (size == -EINTR);
    call(SYS_close, reader);
    return size < 0 ? size : size == sizeof error ? -error : -EPIPE;
}

int unshare_cgroup_namespace() noexcept { return call(SYS_unshare, static_cast<long>(abi::clone_newcgroup)); }

int make_mounts_private() noexcept { return call(SYS_mount, word("none"), word("/"), 0, MS_REC | MS_PRIVATE, 0); }

int install_filter(std::size_t count, void const* instructions) noexcept
{
    abi::filter_program const program{static_cast<unsigned short>(count), instructions};
    constexpr long mode_filter = 2;
    return call(SYS_prctl, PR_SET_SECCOMP, mode_filter, word(&program));
}

int set_umask(mode_t mask) noexcept { return call(SYS_umask, word(mask)) < 0 ? -EINVAL : 0; }

int set_limit(int resource, std::uint64_t soft, std::uint64_t hard) noexcept
{
    abi::rlimit const limit{soft, hard};
    return call(SYS_prlimit64, 0, resource, word(&limit));
}

int add_nice(int increment) noexcept
{
    int const inverted =
        call(SYS_getpriority, PRIO_PROCESS, 0); // the raw call returns 20 - nice, which is never negative
    if (inverted < 0)
        return inverted;
    return call(SYS_setpriority, PRIO_PROCESS, 0, 20 - inverted + increment);
}

int set_affinity(std::size_t bytes, void const* mask) noexcept
{
    return call(SYS_sched_setaffinity, 0, word(bytes), word(mask));
}

pid_t own_pid() noexcept { return call(SYS_getpid); }
pid_t parent() noexcept { return call(SYS_getppid); }

int set_death_signal(int signal, pid_t expected_parent) noexcept
{
    if (int const result = call(SYS_prctl, PR_SET_PDEATHSIG, signal); result < 0)
        return result;
    // If the parent ended before the call, the signal is never sent.
    return parent() == expected_parent ? 0 : -ESRCH;
}

int change_root(char const* path) noexcept
{
    int const result = call(SYS_chroot, word(path));
    return result < 0 ? result : change_directory("/");
}

int change_directory(char const* path) noexcept { return call(SYS_chdir, word(path)); }

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
        abi::sigaction current;
        if (call(SYS_rt_sigaction, signal, 0, word(&current), sizeof(signal_bits)) == 0 && current.handler != SIG_DFL &&
            current.handler != SIG_IGN)
            default_signal(signal);
    }
}

int set_mask(signal_bits blocked) noexcept
{
    return call(SYS_rt_sigprocmask, SIG_SETMASK, word(&blocked), 0, sizeof blocked);
}

int execute(char const* path, char* const* argv, char* const* envp) noexcept
{
    return call(SYS_execve, word(path), word(argv), word(envp));
}

int execute_image(int fd, char* const* argv, char* const* envp) noexcept
{
    return call(SYS_execveat, fd, word(""), word(argv), word(envp), AT_EMPTY_PATH);
}

// A seccomp filter may refuse any of the calls.
void exit_now(int code) noexcept
{
    system_call(SYS_exit_group, code);
    kill_self(); // exit(2) would end this thread only
}

// The first process of a PID namespace cannot kill itself, either. The kernel does not let it survive a fault.
void kill_self() noexcept
{
    system_call(SYS_kill, system_call(SYS_getpid), SIGKILL);
    system_call(SYS_prlimit64, 0, RLIMIT_CORE, word(&no_core));
    for (;;)
        __builtin_trap();
}

void set_and_exit(void* flag) noexcept
{
    *static_cast<bool volatile*>(flag) = true;
    exit_now(0);
}

void sleep(int milliseconds) noexcept
{
    struct {
        long seconds, nanoseconds;
    } const time{milliseconds / 1000, milliseconds % 1000 * 1000000L};
    call(SYS_nanosleep, word(&time));
}

void yield() noexcept { call(SYS_sched_yield); }

long send_with_fd(int socket, void const* data, std::size_t size, int fd) noexcept
{
    iovec content{const_cast<void*>(data), size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    __builtin_memcpy(CMSG_DATA(header), &fd, sizeof fd);
    long result;
    do
        result = system_call(SYS_sendmsg, socket, word(&message), MSG_NOSIGNAL);
    while (result == -EINTR);
    return result;
}

void send_own_pidfd(int socket) noexcept
{
    int const pidfd = call(abi::sys_pidfd_open, call(SYS_getpid), 0);
    if (pidfd < 0)
        return;
    char const byte = 0; // an empty message would look like the end of file
    send_with_fd(socket, &byte, sizeof byte, pidfd);
    call(SYS_close, pidfd);
}

} // namespace brood::os::raw
