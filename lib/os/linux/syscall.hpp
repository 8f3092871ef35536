// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_LINUX_SYSCALL_HPP
#define BROOD_LIB_OS_LINUX_SYSCALL_HPP

#include <cerrno>
#include <type_traits>

#include <sys/syscall.h>
#include <unistd.h>

namespace brood::os {

/// Makes a system call and returns its result or -errno. On x86-64 and aarch64 it uses neither errno nor libc.
inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) noexcept
{
#if defined(__x86_64__) && !defined(__ILP32__)
    long result;
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = a;
    register long x1 asm("x1") = b;
    register long x2 asm("x2") = c;
    register long x3 asm("x3") = d;
    register long x4 asm("x4") = e;
    register long x5 asm("x5") = f;
    asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
    long const result = ::syscall(number, a, b, c, d, e, f);
    return result < 0 ? -errno : result;
#endif
}

/// Makes a system call whose result is an int.
inline int call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) noexcept
{
    return static_cast<int>(system_call(number, a, b, c, d, e));
}

/// Converts an argument of a system call.
template <class T>
long word(T value) noexcept
{
    if constexpr (std::is_pointer_v<T>)
        return reinterpret_cast<long>(value);
    else
        return static_cast<long>(value);
}

} // namespace brood::os

#endif
