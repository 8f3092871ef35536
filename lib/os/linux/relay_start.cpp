// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The startup code and the functions that the relay uses instead of a C library.
#include "os/linux/syscall.hpp"
#include "os/raw.hpp"

#include <cstddef>

#include <sys/mman.h>

// The initial stack holds argc, argv, null, envp, null. It has the alignment that a function call requires.
#if defined(__x86_64__)
asm(".globl _start\n"
    "_start:\n\t"
    "xor %ebp, %ebp\n\t"
    "mov (%rsp), %rax\n\t"
    "lea 8(%rsp), %rdi\n\t"
    "lea 16(%rsp, %rax, 8), %rsi\n\t"
    "call brood_relay_main\n\t"
    "ud2");
#elif defined(__aarch64__)
asm(".globl _start\n"
    "_start:\n\t"
    "mov x29, xzr\n\t"
    "ldr x2, [sp]\n\t"
    "add x0, sp, #8\n\t"
    "add x1, x0, x2, lsl #3\n\t"
    "add x1, x1, #8\n\t"
    "bl brood_relay_main\n\t"
    "brk #1");
#endif

// The compiler may generate calls to these functions.
extern "C" void* memset(void* to, int value, std::size_t size)
{
    for (std::size_t i = 0; i < size; ++i)
        static_cast<char volatile*>(to)[i] = static_cast<char>(value);
    return to;
}

extern "C" void* memcpy(void* to, void const* from, std::size_t size)
{
    for (std::size_t i = 0; i < size; ++i)
        static_cast<char volatile*>(to)[i] = static_cast<char const*>(from)[i];
    return to;
}

namespace brood::os::raw {

long map_rest(int fd, long offset) noexcept
{
    long const end = system_call(SYS_lseek, fd, 0, SEEK_END);
    return end < 0 ? end : system_call(SYS_mmap, 0, end - offset, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, offset);
}

} // namespace brood::os::raw
