// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"

#include <cstdio>
#include <cstdlib>

namespace test {

void deny_syscalls(std::string_view)
{
    std::fputs("skipped: this system cannot deny single system calls\n", stderr);
    std::exit(77);
}

std::vector<brood::bpf_instruction> filter_denying(std::string_view) { return {{}}; }

bool can_deny_syscalls() { return false; }

std::string_view denied_syscalls()
{
    char const* calls = std::getenv("BROOD_DENY_SYSCALLS");
    return calls ? calls : "";
}

} // namespace test
