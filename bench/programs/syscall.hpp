// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_PROGRAMS_SYSCALL_HPP
#define BROOD_BENCH_PROGRAMS_SYSCALL_HPP

/// System calls for static programs without a C library. Such programs start fast.
namespace child {

#if defined(__x86_64__)
enum syscall_number : long { prctl = 157, exit_group = 231, ppoll = 271 };
#elif defined(__aarch64__)
enum syscall_number : long { ppoll = 73, exit_group = 94, prctl = 167 };
#endif

/// Makes a system call with up to two arguments. The others are zero, and the result is ignored.
inline void syscall(syscall_number number, long first = 0, long second = 0)
{
#if defined(__x86_64__)
    long result = number;
    register long r10 asm("r10") = 0;
    register long r8 asm("r8") = 0;
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"(first), "S"(second), "d"(0L), "r"(r10), "r"(r8)
                 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = first;
    register long x1 asm("x1") = second;
    register long x2 asm("x2") = 0;
    register long x3 asm("x3") = 0;
    register long x4 asm("x4") = 0;
    asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
#endif
}

} // namespace child

#endif
