// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_RAW_HPP
#define BROOD_LIB_OS_RAW_HPP

#include <cstddef>
#include <cstdint>

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

/// The functions that may be called between clone and exec, in a child that may share the parent's memory.
/**
 * They do not allocate or lock. On Linux with x86-64 or aarch64 they use neither errno nor thread-local storage. For
 * the same reason, they are compiled without sanitizers. Each returns a value that is not negative, or -errno.
 */
namespace brood::os::raw {

/// A set of signals in the kernel's form: bit n-1 is signal n.
using signal_bits = std::uint64_t;

constexpr signal_bits bit_of(int signal) noexcept { return signal_bits{1} << (signal - 1); }
constexpr signal_bits all_signals = ~signal_bits{0};

/// What a child has inherited of the parent's signals. If it has handlers, all signals are blocked until they are reset.
struct inherited_signals {
    bool handlers = false; ///< The parent's handlers must not run in the child.
    signal_bits mask = 0;  ///< To set after that.
};

/// Reads or writes what the parent and a child with shared memory use at the same time. The functions of std::atomic
/// could be linked from code that is compiled with sanitizers.
template <class T>
T load(T const& shared) noexcept
{
    return __atomic_load_n(&shared, __ATOMIC_SEQ_CST);
}
template <class T>
void store(T& shared, T value) noexcept
{
    __atomic_store_n(&shared, value, __ATOMIC_SEQ_CST);
}

int duplicate(int from, int to) noexcept; ///< dup2(2), but clears FD_CLOEXEC even if both are equal.

int open(char const* path, int flags, int to) noexcept; ///< open(2) as descriptor `to`.

/// Sets FD_CLOEXEC for a range. Closing is left to exec, so that the program may be named by /proc/self/fd.
int close_on_exec(int first, int last) noexcept;

/// Closes now what exec would close, except the descriptors in `spared`.
int close_marked(int const* spared, std::size_t count) noexcept;

/// Closes all descriptors except those in `spared`. Linux only.
int close_all_but(int const* spared, std::size_t count) noexcept;

/// Stops sharing the descriptor table with another process, and copies only the descriptors below `first`.
/// The cost does not depend on the number of the others, which are never copied.
int unshare_descriptors(int first) noexcept;
int unshare_all_descriptors() noexcept; ///< The same, but copies all descriptors.
long write(int fd, void const* data, std::size_t size) noexcept;
long send(int socket, void const* data, std::size_t size) noexcept; ///< send(2) without SIGPIPE.

int enter_cgroup(int directory) noexcept;

int set_session() noexcept;
int set_terminal(int fd) noexcept; ///< Sets the controlling terminal of the session (TIOCSCTTY).
int set_process_group(pid_t leader) noexcept;
int set_foreground(int terminal) noexcept; ///< For the leader of a process group, with SIGTTOU blocked.

int set_groups(std::size_t count, gid_t const* ids) noexcept;
int set_group(gid_t id) noexcept; ///< The real, the effective and the saved one, or none.
int set_user(uid_t id) noexcept;  ///< The same.
int no_new_privileges() noexcept;
int keep_capabilities() noexcept; ///< Through a later change from root to another user.
int clear_ambient_capabilities() noexcept;
int raise_ambient_capabilities(std::uint64_t capabilities) noexcept; ///< One bit for each.
int limit_capabilities(std::uint64_t kept) noexcept; ///< The bounding, the inheritable and the ambient set.

/// Closes `writer` and reads an errno from `reader`, a pipe. Returns 0 or the errno, negated. -EPIPE: nobody writes any
/// more.
int await_permission(int reader, int writer) noexcept;
int unshare_cgroup_namespace() noexcept;
int make_mounts_private() noexcept; ///< No mount is propagated to or from another mount namespace.

/// Installs a seccomp filter for the calling thread. `instructions` are in the kernel's form.
int install_filter(std::size_t count, void const* instructions) noexcept;

int set_umask(mode_t mask) noexcept;
int set_limit(
    int resource, std::uint64_t soft, std::uint64_t hard) noexcept; ///< A value with all bits set means no limit.
int add_nice(int increment) noexcept;
int set_affinity(std::size_t bytes, void const* mask) noexcept;
pid_t own_pid() noexcept;
pid_t parent() noexcept;
int set_death_signal(int signal, pid_t parent) noexcept; ///< -ESRCH: the parent has already ended.

int change_root(char const* path) noexcept; ///< chroot(2), then chdir(2) to the new root.
int change_directory(char const* path) noexcept;

/// Resets the disposition of each signal in the set to the default.
int default_signals(signal_bits set) noexcept;
/// Resets every signal that has a handler to the default. Ignored signals stay ignored.
void default_handlers() noexcept;
int set_mask(signal_bits blocked) noexcept;

int execute(char const* path, char* const* argv, char* const* envp) noexcept;
int execute_image(int fd, char* const* argv, char* const* envp) noexcept; ///< execveat(2) of a descriptor.

/// Maps a file from `offset` to its end. Returns the address, or -errno. For the relay only.
long map_rest(int fd, long offset) noexcept;

[[noreturn]] void exit_now(int code) noexcept;
[[noreturn]] void kill_self() noexcept; ///< By SIGKILL, or by SIGILL if that is refused.

/// The entry function of a child that sets a bool and exits.
void set_and_exit(void* flag) noexcept;

/// Waits, or returns at once if a filter refuses it.
void sleep(int milliseconds) noexcept;

/// sched_yield(2): other threads that wait for this processor run first.
void yield() noexcept;

/// Sends a message with a descriptor, without SIGPIPE. Linux only.
long send_with_fd(int socket, void const* data, std::size_t size, int fd) noexcept;

/// Sends a message of one byte with a pidfd of this process over `socket`. Without a pidfd, nothing is sent.
void send_own_pidfd(int socket) noexcept;

} // namespace brood::os::raw

#endif
