// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_LINUX_ABI_HPP
#define BROOD_LIB_OS_LINUX_ABI_HPP

#include <cstddef>
#include <cstdint>

/// Kernel constants and types that the headers of the build machine may lack. Whether the kernel supports them is
/// detected at run time.
namespace brood::os::abi {

// System calls added since Linux 5.0 have the same number on all architectures.
constexpr long sys_pidfd_send_signal = 424;
constexpr long sys_pidfd_open = 434;
constexpr long sys_clone3 = 435;
constexpr long sys_close_range = 436;

constexpr int p_pidfd = 3;

constexpr unsigned long cgroup2_magic = 0x63677270; // of statfs(2)

constexpr std::uint64_t clone_vm = 0x100;
constexpr std::uint64_t clone_files = 0x400;
constexpr std::uint64_t clone_pidfd = 0x1000;
constexpr std::uint64_t clone_vfork = 0x4000;
constexpr std::uint64_t clone_newns = 0x20000;
constexpr std::uint64_t clone_child_cleartid = 0x200000;
constexpr std::uint64_t clone_newcgroup = 0x2000000;
constexpr std::uint64_t clone_newuts = 0x4000000;
constexpr std::uint64_t clone_newipc = 0x8000000;
constexpr std::uint64_t clone_newuser = 0x10000000;
constexpr std::uint64_t clone_newpid = 0x20000000;
constexpr std::uint64_t clone_newnet = 0x40000000;
constexpr std::uint64_t clone_clear_sighand = 0x100000000;
constexpr std::uint64_t clone_into_cgroup = 0x200000000;

struct clone_args {
    std::uint64_t flags;
    std::uint64_t pidfd; // address of an int
    std::uint64_t child_tid;
    std::uint64_t parent_tid;
    std::uint64_t exit_signal;
    std::uint64_t stack; // lowest address
    std::uint64_t stack_size;
    std::uint64_t tls;
    std::uint64_t set_tid;
    std::uint64_t set_tid_size;
    std::uint64_t cgroup; // since Linux 5.7
};
constexpr std::size_t clone_args_size_without_cgroup = 64;

struct pidfd_info {
    std::uint64_t mask;
    std::uint64_t cgroup;
    std::uint32_t ids[11]; // pid, tgid, ppid, then real, effective, saved and file system uid and gid
    std::int32_t exit_code;
};
static_assert(sizeof(pidfd_info) == 64);
constexpr std::uint64_t pidfd_info_exit = 1 << 3;
constexpr unsigned long pidfd_get_info = 0xc040ff0b; // _IOWR(0xFF, 11, struct pidfd_info)

// capget(2), version 3: the second word has the capabilities from 32 on.
struct capability_header {
    std::uint32_t version;
    std::int32_t pid;
};
constexpr capability_header own_capabilities{0x20080522, 0}; // of the calling thread
struct capability_word {
    std::uint32_t effective, permitted, inheritable;
};

// prctl(2)
constexpr long prctl_ambient = 47;
constexpr long ambient_is_set = 1;
constexpr long ambient_raise = 2;
constexpr long ambient_clear_all = 4;

/// The argument of seccomp(2): `struct sock_fprog`.
struct filter_program {
    unsigned short count;
    void const* instructions;
};

/// The argument of prlimit64(2), with 64 bits on every processor.
struct rlimit {
    std::uint64_t soft, hard;
};

/// `struct rusage` in the kernel's layout, which the raw waitid(2) fills.
struct rusage {
    long user_seconds, user_microseconds, system_seconds, system_microseconds;
    long max_rss_kib, shared, data, stack, minor_faults, major_faults, swaps;
    long blocks_in, blocks_out, sent, received, signals, voluntary_switches, involuntary_switches;
};

/// The kernel's struct sigaction, which differs from libc's. Only the handler is used. The other members (flags, restorer
/// and mask, in an order that depends on the architecture) are zero without a handler function.
struct sigaction {
    void (*handler)(int);
    unsigned long others[7];
};

/// An entry that getdents64(2) returns.
struct directory_entry {
    std::uint64_t inode, offset;
    unsigned short length;
    unsigned char type;
    char name[1]; // variable length
};

} // namespace brood::os::abi

#endif
