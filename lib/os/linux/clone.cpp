// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/clone.hpp"

#include "os/linux/abi.hpp"
#include "os/linux/syscall.hpp"
#include "os/raw.hpp"
#include "os/signals.hpp"

#include <atomic>

#include <signal.h>
#include <sys/wait.h>

#if __has_include(<valgrind/valgrind.h>)
#    include <valgrind/valgrind.h>
#endif

namespace brood::os {
namespace {

// `clone_and_enter` is written in assembly for each processor.
#if (defined(__x86_64__) && !defined(__ILP32__)) || defined(__aarch64__)
constexpr bool processor_supported = true;
#else
constexpr bool processor_supported = false;
#endif

std::uint64_t address(void const* p) noexcept { return reinterpret_cast<std::uintptr_t>(p); }

// clone3(2) or clone(2), with three arguments. The child starts on the request's stack and has no frame to return to,
// so the entry is called here. libc's clone is not used because sanitizers intercept it as a fork. No memory is read after
// the first assignment to a register: sanitizers call functions there.
long clone_and_enter(long number, long a, long b, long c, clone_request const& request) noexcept
{
#if defined(__x86_64__) && !defined(__ILP32__)
    long result;
    auto* const requested_entry = request.entry;
    auto* const requested_argument = request.argument;
    register void (*entry)(void*) noexcept asm("r8") = requested_entry;
    register void* argument asm("r9") = requested_argument;
    asm volatile("syscall\n\t"
                 "test %%rax, %%rax\n\t"
                 "jnz 1f\n\t"
                 "xor %%ebp, %%ebp\n\t"
                 "mov %[argument], %%rdi\n\t"
                 "call *%[entry]\n\t"
                 "ud2\n"
                 "1:"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), [entry] "r"(entry), [argument] "r"(argument)
                 : "rcx", "r11", "memory", "cc");
    return result;
#elif defined(__aarch64__)
    auto* const requested_entry = request.entry;
    auto* const requested_argument = request.argument;
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = a;
    register long x1 asm("x1") = b;
    register long x2 asm("x2") = c;
    register void (*entry)(void*) noexcept asm("x9") = requested_entry;
    register void* argument asm("x10") = requested_argument;
    asm volatile("svc #0\n\t"
                 "cbnz x0, 1f\n\t"
                 "mov x29, xzr\n\t"
                 "mov x0, %[argument]\n\t"
                 "blr %[entry]\n\t"
                 "brk #1\n"
                 "1:"
                 : "+r"(x0)
                 : "r"(x8), "r"(x1), "r"(x2), [entry] "r"(entry), [argument] "r"(argument)
                 : "memory", "cc", "x30");
    return x0;
#else
    (void)number, (void)a, (void)b, (void)c, (void)request;
    return -ENOSYS;
#endif
}

std::uint64_t optional_flags(clone_request const& request) noexcept
{
    return (request.want_pidfd ? abi::clone_pidfd : 0) | (request.share_descriptors ? abi::clone_files : 0);
}

// Kernels and seccomp profiles that reject clone3 still support clone. A kernel before 5.2 ignores CLONE_PIDFD.
long clone_without_clone3(clone_request& request) noexcept
{
    signal_block const blocked; // the child, which never returns, ends it by itself
    request.inherited = {true, blocked.previous()};
    auto* const top = static_cast<char*>(request.stack) + request.stack_size;
    auto const flags = abi::clone_vm | abi::clone_vfork | optional_flags(request) | SIGCHLD;
    return clone_and_enter(SYS_clone, word(flags), word(top), word(&request.pidfd), request);
}

long clone3(clone_request& request) noexcept
{
    abi::clone_args args{};
    args.flags = abi::clone_vm | abi::clone_clear_sighand | request.namespaces | (request.wait ? abi::clone_vfork : 0) |
                 (request.in_use ? abi::clone_child_cleartid : 0) | optional_flags(request);
    args.pidfd = address(&request.pidfd);
    args.child_tid = address(request.in_use);
    args.exit_signal = SIGCHLD;
    args.stack = address(request.stack);
    args.stack_size = request.stack_size;
    std::size_t args_size = abi::clone_args_size_without_cgroup;
    if (request.cgroup >= 0) {
        args.flags |= abi::clone_into_cgroup;
        args.cgroup = static_cast<std::uint64_t>(request.cgroup);
        args_size = sizeof args; // E2BIG before Linux 5.7
    }
    if (request.in_use)
        *request.in_use = 1;
    long const result = clone_and_enter(abi::sys_clone3, word(&args), word(args_size), 0, request);
    if (result < 0 && request.in_use)
        *request.in_use = 0;
    return result;
}

bool is_refusal(long result) noexcept { return result == -ENOSYS || result == -EPERM || result == -EINVAL; }

std::atomic<bool> clone3_refused = false;

bool under_valgrind() noexcept
{
#ifdef RUNNING_ON_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

// The kernel checks the size of the arguments first: EINVAL means that the call exists.
bool clone3_supported() noexcept { return system_call(abi::sys_clone3, 0, 0) == -EINVAL; }

// clone3 may be rejected by a kernel, a filter or an emulator. To detect an emulator, a child writes to the shared
// memory. It has no exit signal, so that the application is not notified. QEMU rejects such a child with EINVAL.
bool clone_shares_memory() noexcept
{
    signal_block const blocked;
    alignas(16) char stack[1024];
    bool shared = false;
    clone_request request{raw::set_and_exit, &shared, stack, sizeof stack, false};
    auto* const top = stack + sizeof stack;
    long const pid = clone_and_enter(SYS_clone, word(abi::clone_vm | abi::clone_vfork), word(top), 0, request);
    if (pid < 0)
        return pid != -EINVAL;
    system_call(SYS_wait4, pid, 0, static_cast<long>(__WALL));
    return *static_cast<bool volatile*>(&shared);
}

} // namespace

bool vfork_is_fork() noexcept
{
    static bool const result = under_valgrind() || (!clone3_supported() && !clone_shares_memory());
    return result;
}

bool can_clone_sharing_memory() noexcept { return processor_supported && !vfork_is_fork(); }

bool can_unshare_descriptors() noexcept
{
    // The range is empty: EINVAL means that the call exists.
    static bool const supported = system_call(abi::sys_close_range, 1, 0, 0) == -EINVAL;
    return supported;
}

pid_t clone_sharing_memory(clone_request& request) noexcept
{
    // clone supports no cgroup. It also keeps the signal handlers, which must not run in parent and child at once. An
    // error of a clone with namespaces does not mean that clone3 is refused.
    bool const needs_clone3 = request.cgroup >= 0 || !request.wait || request.namespaces != 0;
    if (needs_clone3 || !clone3_refused.load(std::memory_order_relaxed)) {
        long const result = clone3(request);
        if (needs_clone3 || !is_refusal(result))
            return static_cast<pid_t>(result);
        if (result != -EINVAL)
            clone3_refused.store(true, std::memory_order_relaxed);
    }
    return static_cast<pid_t>(clone_without_clone3(request));
}

} // namespace brood::os
