// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_RAW_HPP
#define BROOD_LIB_OS_RAW_HPP

#include <cstddef>
#include <cstdint>

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

/// What may be called between clone and exec, in a child that may share the parent's memory.
/**
 * Nothing here allocates, locks, or (on Linux, x86-64 and aarch64) touches errno or thread-local storage. Each
 * function gives -errno, or 0 or more. These files are built without sanitizers for the same reason.
 */
namespace brood::os::raw {

/// A bit for each signal: bit n-1 for signal n, as in the kernel.
using signal_bits = std::uint64_t;

constexpr signal_bits bit_of(int signal) noexcept { return signal_bits{1} << (signal - 1); }
constexpr signal_bits all_signals = ~signal_bits{0};

int duplicate(int from, int to) noexcept; ///< dup2: clears FD_CLOEXEC also where both are equal.

/// What is done to descriptors that the program must not get: marked to be closed by its exec, which is cheaper
/// than to close them one by one; or, for a process that never wants them back, closed where they can't be marked.
enum class disposal { mark, mark_or_close };
int dispose_range(int first, int last, disposal how) noexcept;

/// Ends the sharing of descriptors with another process: this one has copies from here on, and only of those below
/// `first`. The others are never copied, so their number does not matter.
int unshare_descriptors(int first) noexcept;
int unshare_all_descriptors() noexcept; ///< The same with copies of all.
long write(int fd, void const* data, std::size_t size) noexcept;

int enter_cgroup(int folder) noexcept;

int set_session() noexcept;
int set_terminal(int fd) noexcept; ///< Makes it the controlling one of a session leader that has none.
int set_process_group(pid_t leader) noexcept;

int set_groups(std::size_t count, gid_t const* ids) noexcept;
int set_group(gid_t id) noexcept;
int set_user(uid_t id) noexcept;
int no_new_privileges() noexcept;

int set_umask(mode_t mask) noexcept;
int set_limit(int resource, std::uint64_t soft, std::uint64_t hard) noexcept; ///< All bits set: no limit.
int add_nice(int increment) noexcept;
int set_affinity(std::size_t bytes, void const* mask) noexcept;
pid_t parent() noexcept;
int set_death_signal(int signal, pid_t parent) noexcept; ///< -ESRCH where the parent is gone already.

int change_directory(char const* path) noexcept;

/// Sets the signals of the set to default, whatever they were.
int default_signals(signal_bits set) noexcept;
/// Sets every signal to default that has a handler; what is ignored stays so.
void default_handlers() noexcept;
int set_mask(signal_bits blocked) noexcept;

int execute(char const* path, char* const* argv, char* const* envp) noexcept;
int execute_image(int fd, char* const* argv, char* const* envp) noexcept; ///< The program that a descriptor holds.
char* map_rest(int fd, long offset) noexcept; ///< A file's contents from there on; null on failure. For the relay only.
[[noreturn]] void exit_now(int code) noexcept;

/// The entry of a child that sets a bool and ends.
void set_and_exit(void* flag) noexcept;

/// Lets others that wait for this processor run first.
void yield() noexcept;

/// Opens this process's own pidfd and sends it up `socket` in an empty message, which is empty of it on failure.
void send_own_pidfd(int socket) noexcept;

} // namespace brood::os::raw

#endif
