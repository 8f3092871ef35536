// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "minimal_child.hpp"

#include "../check.hpp"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

namespace bench {
namespace {

constexpr int clone_pidfd = 0x1000; // CLONE_PIDFD, which older headers lack

int child_main(void* program)
{
    char* const argv[] = {static_cast<char*>(program), nullptr};
    ::execve(argv[0], argv, environ);
    ::_exit(127);
}

} // namespace

pid_t spawn_minimal_child(std::string const& program, char* stack, bool vfork, int& pidfd)
{
    int const flags = CLONE_VM | clone_pidfd | SIGCHLD | (vfork ? CLONE_VFORK : 0);
    auto* const path = const_cast<char*>(program.c_str());
    return check(::clone(child_main, stack + minimal_stack_size, flags, path, &pidfd), "clone");
}

} // namespace bench
