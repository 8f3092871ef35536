// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/clone.hpp"

#include "os/linux/abi.hpp"
#include "os/linux/syscall.hpp"

#include <atomic>
#include <utility>

#include <sched.h>
#include <signal.h>

#if __has_include(<valgrind/valgrind.h>)
#    include <valgrind/valgrind.h>
#endif

namespace brood::os {
namespace {

std::uint64_t address(void const* p) noexcept { return reinterpret_cast<std::uintptr_t>(p); }

// clone3(2) on the request's stack. The child has no frame to return to, so it calls the entry from here.
long clone3(abi::clone_args& args, clone_request const& request) noexcept
{
#if defined(__x86_64__) && !defined(__ILP32__)
    long result;
    register void (*entry)(void*) noexcept asm("r8") = request.entry;
    register void* argument asm("r9") = request.argument;
    asm volatile("syscall\n\t"
                 "test %%rax, %%rax\n\t"
                 "jnz 1f\n\t"
                 "xor %%ebp, %%ebp\n\t"
                 "mov %[argument], %%rdi\n\t"
                 "call *%[entry]\n\t"
                 "ud2\n"
                 "1:"
                 : "=a"(result)
                 : "a"(abi::sys_clone3), "D"(&args), "S"(sizeof args), [entry] "r"(entry), [argument] "r"(argument)
                 : "rcx", "r11", "memory", "cc");
    return result;
#elif defined(__aarch64__)
    register long number asm("x8") = abi::sys_clone3;
    register long x0 asm("x0") = reinterpret_cast<long>(&args);
    register long size asm("x1") = sizeof args;
    register void (*entry)(void*) noexcept asm("x9") = request.entry;
    register void* argument asm("x10") = request.argument;
    asm volatile("svc #0\n\t"
                 "cbnz x0, 1f\n\t"
                 "mov x29, xzr\n\t"
                 "mov x0, %[argument]\n\t"
                 "blr %[entry]\n\t"
                 "brk #1\n"
                 "1:"
                 : "+r"(x0)
                 : "r"(number), "r"(size), [entry] "r"(entry), [argument] "r"(argument)
                 : "memory", "cc", "x30");
    return x0;
#else
    (void)args, (void)request;
    return -ENOSYS; // no stack switch written for this processor: libc's clone serves
#endif
}

struct start {
    void (*entry)(void*) noexcept;
    void* argument;
};

int run(void* argument)
{
    auto const [entry, data] = *static_cast<start*>(argument);
    entry(data);
    return 0;
}

// Kernels and seccomp profiles that refuse clone3 still know clone; a kernel before 5.2 ignores the wish for a
// pidfd.
long clone2(clone_request& request) noexcept
{
    request.handlers_kept = true;
    start child{request.entry, request.argument};
    auto* top = static_cast<char*>(request.stack) + request.stack_size;
    int const flags = static_cast<int>(abi::clone_vm | abi::clone_vfork) |
                      (request.want_pidfd ? static_cast<int>(abi::clone_pidfd) : 0) | SIGCHLD;
    int const before = errno;
    long const result = ::clone(run, top, flags, &child, &request.pidfd);
    int const error = std::exchange(errno, before);
    return result < 0 ? -error : result;
}

std::atomic<bool> clone3_refused = false;

} // namespace

bool under_emulator() noexcept
{
#ifdef RUNNING_ON_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

bool can_clone_sharing_memory() noexcept { return !under_emulator(); }

pid_t clone_sharing_memory(clone_request& request) noexcept
{
    if (!clone3_refused.load(std::memory_order_relaxed)) {
        abi::clone_args args{};
        args.flags =
            abi::clone_vm | abi::clone_vfork | abi::clone_clear_sighand | (request.want_pidfd ? abi::clone_pidfd : 0);
        args.pidfd = address(&request.pidfd);
        args.exit_signal = SIGCHLD;
        args.stack = address(request.stack);
        args.stack_size = request.stack_size;
        long const result = clone3(args, request);
        if (result != -ENOSYS && result != -EPERM && result != -EINVAL)
            return static_cast<pid_t>(result);
        if (result != -EINVAL)
            clone3_refused.store(true, std::memory_order_relaxed);
    }
    return static_cast<pid_t>(clone2(request));
}

} // namespace brood::os
