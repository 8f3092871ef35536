// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fault/linux/expectations.hpp"

#include <brood/error.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <optional>

#include <sys/syscall.h>

namespace test {
namespace {

using enum brood::spawn_stage;

constexpr std::string_view no_error = "reports no error";
constexpr std::string_view libc_aborts = "the C library does not expect a failure and aborts";
constexpr std::string_view ends_thread = "does not return";
constexpr std::string_view constant_arguments =
    "fails only because of its arguments, which are constants; nothing else could restore the mask";

std::vector<untouched_call> const untouched{
    {"brk", SYS_brk, "reports the failure by its value; malloc then uses mmap"},
    {"exit", SYS_exit, ends_thread},
    {"exit_group", SYS_exit_group, ends_thread},
    {"rt_sigreturn", SYS_rt_sigreturn, ends_thread},
    {"rt_sigprocmask", SYS_rt_sigprocmask, constant_arguments},
    {"futex", SYS_futex, libc_aborts},
    {"set_robust_list", SYS_set_robust_list, libc_aborts},
    {"rseq", SYS_rseq, libc_aborts},
    {"getpid", SYS_getpid, no_error},
    {"getppid", SYS_getppid, no_error},
    {"gettid", SYS_gettid, no_error},
    {"getuid", SYS_getuid, no_error},
    {"geteuid", SYS_geteuid, no_error},
    {"getgid", SYS_getgid, no_error},
    {"getegid", SYS_getegid, no_error},
    {"umask", SYS_umask, no_error},
    {"sched_yield", SYS_sched_yield, no_error},
    {"clock_gettime", SYS_clock_gettime, "fails only because of its arguments, which are constants"},
};

// EFAULT, which reports an error in the program's memory, is left out.
std::vector<failing_call> const failing{
    {"capget", SYS_capget, {EINVAL, EPERM, ESRCH}, {credentials}},
    {"chdir", SYS_chdir, {EACCES, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR}, {directory}},
    {"clone", SYS_clone, {EAGAIN, EINVAL, ENOMEM, ENOSPC, EPERM, EUSERS}, {clone, namespaces}},
    {"clone3",
     SYS_clone3,
     {EACCES, EAGAIN, EINVAL, ENOMEM, ENOSPC, EOPNOTSUPP, EPERM, EUSERS, ENOSYS},
     {clone, cgroup, namespaces}},
    {"close", SYS_close, {EINTR, EIO, ENOSPC, EDQUOT}, {}},
    {"close_range", SYS_close_range, {EINVAL, EMFILE, ENOMEM, EPERM, ENOSYS}, {stdio}},
    {"dup", SYS_dup, {EBADF, EMFILE}, {stdio}},
    {"dup3", SYS_dup3, {EBADF, EBUSY, EINTR, EINVAL, EMFILE}, {stdio}},
    {"epoll_create1", SYS_epoll_create1, {EINVAL, EMFILE, ENFILE, ENOMEM}, {pipe}},
    {"epoll_ctl", SYS_epoll_ctl, {EBADF, EEXIST, EINVAL, ELOOP, ENOMEM, ENOSPC, EPERM}, {pipe, terminal}},
    {"epoll_ctl with EPOLL_CTL_MOD by the library", epoll_ctl_rearm, {EBADF, EINVAL, ENOENT, ENOMEM}, {}},
    {"epoll_ctl with EPOLL_CTL_MOD by Asio", epoll_ctl_mod, {EBADF, EINVAL, ENOENT, ENOMEM}, {}},
    {"epoll_pwait", SYS_epoll_pwait, {EBADF, EINTR, EINVAL}, {}},
    {"eventfd2", SYS_eventfd2, {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM}, {pipe}},
    {"execve",
     SYS_execve,
     {E2BIG, EACCES, EAGAIN, EINVAL, EIO, EISDIR, ELIBBAD, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENOENT, ENOEXEC, ENOMEM,
      ENOTDIR, EPERM, ETXTBSY},
     {exec}},
    {"execveat", SYS_execveat, {E2BIG, EACCES, EAGAIN, EBADF, EINVAL, EIO, ENOENT, ENOMEM, ENOSYS, EPERM}, {exec}},
    {"faccessat",
     SYS_faccessat,
     {EACCES, EBADF, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS, ETXTBSY},
     {exec}},
    {"faccessat2",
     SYS_faccessat2,
     {EACCES, EBADF, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS, ETXTBSY, ENOSYS},
     {exec, directory}},
    {"fcntl", SYS_fcntl, {EBADF, EBUSY, EINVAL, EMFILE, EPERM}, {stdio, pipe, terminal, clone}},
    {"fcntl with F_GETFD or F_SETFD", fcntl_fd_flags, {EBADF}, {stdio, pipe}},
    {"fstat", SYS_fstat, {EACCES, EBADF, ENOMEM, EOVERFLOW}, {stdio, prepare}},
    {"fstatfs", SYS_fstatfs, {EACCES, EBADF, EIO, ENOMEM, ENOSYS, EOVERFLOW}, {cgroup}},
    {"getdents64", SYS_getdents64, {EBADF, EINVAL, ENOENT, ENOTDIR}, {}},
    {"getpgid", SYS_getpgid, {EPERM, ESRCH}, {}},
    {"getpriority", SYS_getpriority, {EINVAL, ESRCH}, {limits}},
    {"getrandom", SYS_getrandom, {EAGAIN, EINTR, ENOSYS}, {}},
    {"getresuid", SYS_getresuid, {EPERM}, {credentials}},
    {"getresgid", SYS_getresgid, {EPERM}, {credentials}},
    {"ioctl", SYS_ioctl, {EBADF, EINVAL, ENOTTY, EIO, EPERM}, {terminal, pipe}},
    {"kill", SYS_kill, {EINVAL, EPERM, ESRCH}, {}},
    {"lseek", SYS_lseek, {EBADF, EINVAL, ENXIO, EOVERFLOW, ESPIPE}, {clone}},
    {"madvise", SYS_madvise, {EACCES, EAGAIN, EBADF, EINVAL, EIO, ENOMEM, EPERM}, {clone}},
    {"memfd_create", SYS_memfd_create, {EINVAL, EMFILE, ENFILE, ENOMEM, EPERM, ENOSYS}, {clone}},
    {"mkdirat",
     SYS_mkdirat,
     {EACCES, EDQUOT, EEXIST, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM, EROFS},
     {cgroup}},
    {"mmap", SYS_mmap, {EACCES, EAGAIN, EINVAL, ENFILE, ENODEV, ENOMEM, EPERM}, {clone}},
    {"mprotect", SYS_mprotect, {EACCES, EINVAL, ENOMEM}, {clone}},
    {"mremap", SYS_mremap, {EAGAIN, EINVAL, ENOMEM}, {}},
    {"munmap", SYS_munmap, {EINVAL, ENOMEM}, {}},
    {"newfstatat",
     SYS_newfstatat,
     {EACCES, EBADF, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW},
     {stdio, directory, terminal}},
    {"openat",
     SYS_openat,
     {EACCES, EBADF,      EBUSY,        EDQUOT, EEXIST, EFBIG,   EINTR,      EINVAL, EISDIR,
      ELOOP,  EMFILE,     ENAMETOOLONG, ENFILE, ENODEV, ENOENT,  ENOMEM,     ENOSPC, ENOTDIR,
      ENXIO,  EOPNOTSUPP, EOVERFLOW,    EPERM,  EROFS,  ETXTBSY, EWOULDBLOCK},
     {stdio, terminal, cgroup, namespaces, clone}},
    {"pidfd_open", SYS_pidfd_open, {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, ESRCH, EPERM, ENOSYS}, {clone}},
    {"pidfd_send_signal", SYS_pidfd_send_signal, {EBADF, EINVAL, EPERM, ESRCH, ENOSYS}, {}},
    {"pipe2", SYS_pipe2, {EINVAL, EMFILE, ENFILE, ENOPKG}, {pipe}},
    {"ppoll", SYS_ppoll, {EINTR, EINVAL, ENOMEM}, {}},
    {"pread64", SYS_pread64, {EAGAIN, EBADF, EINTR, EINVAL, EIO, EISDIR, ENXIO, EOVERFLOW, ESPIPE}, {clone}},
    {"pwritev2",
     SYS_pwritev2,
     {EAGAIN, EBADF, EDESTADDRREQ, EDQUOT, EFBIG, EINTR, EINVAL, EIO, ENOSPC, EOPNOTSUPP, EPERM, EPIPE, ENOSYS},
     {}},
    {"pwrite64",
     SYS_pwrite64,
     {EAGAIN, EBADF, EDESTADDRREQ, EDQUOT, EFBIG, EINTR, EINVAL, EIO, ENOSPC, EPERM, EPIPE, ENXIO, EOVERFLOW, ESPIPE},
     {clone}},
    {"prctl", SYS_prctl, {EACCES, EINVAL, EPERM}, {credentials, limits, seccomp, clone}},
    {"prlimit64", SYS_prlimit64, {EINVAL, EPERM, ESRCH}, {limits, stdio}},
    {"read", SYS_read, {EAGAIN, EBADF, EINTR, EINVAL, EIO, EISDIR}, {namespaces}},
    {"readlinkat", SYS_readlinkat, {EACCES, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR}, {}},
    {"readv", SYS_readv, {EAGAIN, EBADF, EINTR, EINVAL, EIO, EISDIR}, {}},
    {"recvfrom", SYS_recvfrom, {EAGAIN, EBADF, ECONNREFUSED, EINTR, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK}, {}},
    {"recvmsg", SYS_recvmsg, {EAGAIN, EBADF, ECONNREFUSED, EINTR, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK}, {clone}},
    {"rt_sigaction", SYS_rt_sigaction, {EINVAL}, {signals}},
    {"rt_sigpending", SYS_rt_sigpending, {EINVAL}, {}},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, {EAGAIN, EINTR, EINVAL}, {}},
    {"sched_getaffinity", SYS_sched_getaffinity, {EINVAL, ESRCH}, {}},
    {"sched_setaffinity", SYS_sched_setaffinity, {EINVAL, EPERM, ESRCH}, {limits}},
    {"sendmsg",
     SYS_sendmsg,
     {EACCES, EAGAIN, EBADF, ECONNRESET, EDESTADDRREQ, EINTR, EINVAL, EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN,
      ENOTSOCK, EOPNOTSUPP, EPIPE, ETOOMANYREFS},
     {clone}},
    {"sendto",
     SYS_sendto,
     {EACCES, EAGAIN, EBADF, ECONNRESET, EDESTADDRREQ, EINTR, EINVAL, EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN,
      ENOTSOCK, EOPNOTSUPP, EPIPE},
     {}},
    {"seccomp", SYS_seccomp, {EACCES, EBUSY, EINVAL, ENOMEM, ESRCH}, {seccomp}},
    {"set_tid_address", SYS_set_tid_address, {EPERM}, {}},
    {"setgroups", SYS_setgroups, {EINVAL, ENOMEM, EPERM}, {credentials}},
    {"setpgid", SYS_setpgid, {EACCES, EINVAL, EPERM, ESRCH}, {session}},
    {"setpriority", SYS_setpriority, {EACCES, EINVAL, EPERM, ESRCH}, {limits}},
    {"setresgid", SYS_setresgid, {EAGAIN, EINVAL, EPERM}, {credentials}},
    {"setresuid", SYS_setresuid, {EAGAIN, EINVAL, EPERM}, {credentials}},
    {"setsid", SYS_setsid, {EPERM}, {session}},
    {"shutdown", SYS_shutdown, {EBADF, EINVAL, ENOTCONN, ENOTSOCK}, {}},
    {"signalfd4", SYS_signalfd4, {EBADF, EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM}, {clone}},
    {"socketpair", SYS_socketpair, {EAFNOSUPPORT, EMFILE, ENFILE, EOPNOTSUPP, EPROTONOSUPPORT}, {pipe}},
    {"statfs", SYS_statfs, {EACCES, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOSYS, ENOTDIR, EOVERFLOW}, {}},
    {"statx", SYS_statx, {EACCES, EBADF, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR}, {}},
    {"timerfd_create", SYS_timerfd_create, {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, EPERM}, {pipe}},
    {"timerfd_settime", SYS_timerfd_settime, {EBADF, EINVAL}, {pipe}},
    {"unlinkat",
     SYS_unlinkat,
     {EACCES, EBADF, EBUSY, EINVAL, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, ENOTEMPTY, EPERM, EROFS},
     {}},
    {"unshare", SYS_unshare, {EINVAL, ENOMEM, ENOSPC, EPERM, EUSERS}, {clone}},
    {"wait4", SYS_wait4, {EAGAIN, ECHILD, EINTR, EINVAL, ESRCH}, {}},
    {"waitid", SYS_waitid, {EAGAIN, ECHILD, EINTR, EINVAL}, {}},
    {"write",
     SYS_write,
     {EAGAIN, EBADF, EDESTADDRREQ, EDQUOT, EFBIG, EINTR, EINVAL, EIO, ENOSPC, EPERM, EPIPE},
     {clone, cgroup, namespaces}},
    {"clock_nanosleep", SYS_clock_nanosleep, {EINTR, EINVAL, EPERM}, {}},
    {"nanosleep", SYS_nanosleep, {EINTR, EINVAL}, {}},
#ifdef SYS_epoll_wait // the calls that newer architectures lack
    {"access", SYS_access, {EACCES, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS}, {exec}},
    {"dup2", SYS_dup2, {EBADF, EBUSY, EINTR, EMFILE}, {stdio}},
    {"epoll_wait", SYS_epoll_wait, {EBADF, EINTR, EINVAL}, {}},
    {"fork", SYS_fork, {EAGAIN, ENOMEM, ENOSYS}, {clone}},
    {"open", SYS_open, {EACCES, EINTR, EMFILE, ENFILE, ENOENT, ENOMEM}, {stdio}},
    {"poll", SYS_poll, {EINTR, EINVAL, ENOMEM}, {}},
    {"readlink", SYS_readlink, {EACCES, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR}, {}},
    {"stat", SYS_stat, {EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW}, {stdio, directory}},
    {"vfork", SYS_vfork, {EAGAIN, ENOMEM, ENOSYS}, {clone}},
#endif
};

// Faults that are left out: those that match a row.
struct excluded_fault {
    int call;  // -1: any
    int error; // 0: any
    std::string_view reason;
    bool only_for_good = false;
    std::optional<caller> who = {};
    long calls = LONG_MAX; // from the first one on
    std::optional<brood::exit_watcher> watcher = {};
    std::string_view scenarios = {}; // those whose names contain it
};

constexpr std::string_view nothing_to_wait_for =
    "the call says that the descriptor is not ready although it is: a reactor with edges then waits in vain";
constexpr std::string_view lost_pids =
    "the call says that the pipe of the SIGCHLD handler is not open, although only the library could close it";
constexpr std::string_view waits_again = "Asio ignores the error of the wait and waits again, at once and for ever";

// In the guard of a contained child.
constexpr std::string_view contained = "contained";
constexpr std::string_view finds_nobody = "a guard finds no descendants, and waits for their end";

std::vector<excluded_fault> const excluded{
    {-1, EINTR, "a call that is always interrupted is always made again", true},
    {SYS_dup3, EBUSY, "a race with open(2) that never ends: the call is made again", true},
    {SYS_epoll_ctl, 0, "Asio ignores that its interrupter and its timer are not watched", false, caller::parent, 2},
    {SYS_wait4, 0, "a guard cannot know that its children have ended", true, caller::child, LONG_MAX, {}, contained},
    {SYS_read, 0, finds_nobody, true, caller::child, LONG_MAX, {}, contained},
    {SYS_lseek, 0, finds_nobody, true, caller::child, LONG_MAX, {}, contained},
    {SYS_kill, 0, "a guard waits for what it may not kill", true, caller::child, LONG_MAX, {}, contained},
    {fcntl_fd_flags, 0, "the call fails only if the descriptor is not open", false, caller::parent},
    {SYS_timerfd_settime, 0, "Asio ignores that its timer is not set: epoll_reactor::update_timeout"},
    {epoll_ctl_mod, 0, "Asio ignores the result for async_wait and for its interrupter: epoll_reactor::start_op"},
    {SYS_epoll_pwait, 0, waits_again, true},
    {SYS_read, EAGAIN, nothing_to_wait_for, false, caller::parent},
    {SYS_readv, EAGAIN, nothing_to_wait_for, false, caller::parent},
    {SYS_recvfrom, EAGAIN, nothing_to_wait_for, false, caller::parent},
    {SYS_sendto, EAGAIN, nothing_to_wait_for, true, caller::parent},
    {SYS_pwritev2, EAGAIN, nothing_to_wait_for, true, caller::parent},
    {SYS_read, 0, lost_pids, true, caller::parent, LONG_MAX, brood::exit_watcher::sigchld},
    {SYS_write, 0, lost_pids, true, caller::parent, LONG_MAX, brood::exit_watcher::sigchld},
    {SYS_ioctl, ENOTTY,
     "Asio shadows the result of its fallback for FIONBIO: reads complete with 0 bytes, and again at once", false,
     caller::parent},
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, 0, waits_again, true},
#endif
};

// Other errors that an operation may report because of the call.
struct consequence {
    int call;
    brood::error_code error;
    std::string_view reason;
};

brood::error_code const unsupported = make_error_code(prepare, ENOTSUP);

constexpr std::string_view needs_image = "the backend vfork is required, and needs a sealed memory file to execute";

#ifdef SYS_epoll_wait
constexpr int check_access = SYS_access, read_link = SYS_readlink;
#else
constexpr int check_access = SYS_faccessat, read_link = SYS_readlinkat;
#endif
constexpr std::string_view needs_procfs = "a guard needs procfs";

std::vector<consequence> const consequences{
    {SYS_waitid, brood::errc::status_lost, "the kernel says that the child has been reaped"},
    {SYS_pidfd_open, unsupported, "the watcher pidfd is required"},
    {SYS_waitid, unsupported, "the watcher pidfd is required"},
    {SYS_clone3, unsupported, "the backend vfork is required"},
    {SYS_clone, unsupported, "the backend vfork is required"},
    {SYS_fcntl, make_error_code(stdio, EMFILE), "F_DUPFD fails with EINVAL for a number beyond the limit"},
    {SYS_fcntl, make_error_code(clone, ENOSYS), needs_image},
    {SYS_execveat, make_error_code(clone, ENOSYS), needs_image},
    {SYS_memfd_create, make_error_code(clone, ENOSYS), needs_image},
    {SYS_pwrite64, make_error_code(clone, ENOMEM), needs_image},
    {SYS_pwrite64, make_error_code(clone, ENOSYS), needs_image},
    {SYS_waitid, make_error_code(limits, ESRCH), "the guard has ended, and the program finds no parent"},
    {SYS_recvmsg, make_error_code(clone, EPROTO), "read(2) receives no descriptor from the guard"},
    {SYS_write, make_error_code(namespaces, EPIPE), "the child receives no message about its ids, and ends"},
    {check_access, unsupported, needs_procfs},
    {read_link, unsupported, needs_procfs},
    {read_link, make_error_code(namespaces, ENOTSUP), "procfs does not show the pid of this process"},
    {SYS_epoll_ctl, make_error_code(boost::system::errc::operation_not_supported),
     "Asio takes EPERM for a file that epoll does not support"},
};

bool is_one_of(int value, std::initializer_list<int> values)
{
    return std::find(values.begin(), values.end(), value) != values.end();
}

} // namespace

std::span<failing_call const> failing_calls() { return failing; }
std::span<untouched_call const> untouched_calls() { return untouched; }

failing_call const* find_call(int number)
{
    auto const found =
        std::find_if(failing.begin(), failing.end(), [=](failing_call const& call) { return call.number == number; });
    return found == failing.end() ? nullptr : &*found;
}

std::string_view reason_to_exclude(fault const& what, brood::exit_watcher watcher, std::string_view scenario)
{
    for (auto const& row : excluded)
        if ((row.call < 0 || row.call == what.call) && (row.error == 0 || row.error == what.error) &&
            (!row.only_for_good || what.for_good) && (!row.who || row.who == what.who) && what.index < row.calls &&
            (!row.watcher || row.watcher == watcher) && scenario.find(row.scenarios) != scenario.npos)
            return row.reason;
    return {};
}

bool explains(fault const& what, brood::spawn_backend backend, brood::error_code error)
{
    for (auto const& other : consequences)
        if (other.call == what.call && error == other.error.default_error_condition())
            return true;
    if (exhausts_memory(what) && error == boost::system::errc::not_enough_memory)
        return true;
    if (error.value() != what.error)
        return false;
    auto const& stages = find_call(what.call)->stages;
    auto const stage = brood::stage_of(error);
    // posix_spawn(3) does not say which call has failed.
    bool const may_guess = backend == brood::spawn_backend::automatic || backend == brood::spawn_backend::posix_spawn;
    return !stage || may_guess || std::find(stages.begin(), stages.end(), *stage) != stages.end();
}

bool exhausts_memory(fault const& what) { return is_one_of(what.call, {SYS_mmap, SYS_mprotect, SYS_mremap}); }

bool leaves_children(fault const& what)
{
    return is_one_of(what.call, {SYS_kill, SYS_pidfd_send_signal, SYS_waitid, SYS_wait4});
}

bool leaves_thread(fault const& what) { return what.call == SYS_write && what.for_good && what.who == caller::parent; }

} // namespace test
