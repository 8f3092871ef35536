// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The least that a program can do: clone, execve, epoll, waitid, close.
//
// It leaves out what a library owes its users: signals blocked across the clone, descriptors closed in the child, a
// failed exec told to the parent.
#include "pidfd_loop.hpp"

#include "../check.hpp"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

namespace bench {
namespace {

constexpr std::size_t stack_size = 16 * 1024;
constexpr int clone_pidfd = 0x1000; // older headers lack it

int child_main(void* program)
{
    char* const argv[] = {static_cast<char*>(program), nullptr};
    ::execve(argv[0], argv, environ);
    ::_exit(127);
}

/// The parent stands still until its child has executed, or, with a stack for each child, goes on at once.
class floor_way final : public pidfd_loop {
public:
    floor_way(int slots, audience& told, bool stands_still)
        : pidfd_loop(slots, told),
          flags_(CLONE_VM | clone_pidfd | SIGCHLD | (stands_still ? CLONE_VFORK : 0)),
          stack_per_slot_(stands_still ? 0 : stack_size),
          stacks_(new char[stands_still ? stack_size : stack_size * static_cast<std::size_t>(slots)])
    {}

    void start(int slot, std::string const& program) override
    {
        char* const stack = stacks_.get() + stack_per_slot_ * static_cast<std::size_t>(slot);
        int pidfd = -1;
        auto* const path = const_cast<char*>(program.c_str());
        pid_t const pid = check(::clone(child_main, stack + stack_size, flags_, path, &pidfd), "clone");
        await(slot, pid, pidfd);
    }

private:
    int flags_;
    std::size_t stack_per_slot_;
    std::unique_ptr<char[]> stacks_;
};

kind floor_kind(char const* name, bool stands_still)
{
    return {name, [=](int slots, audience& told) { return std::make_unique<floor_way>(slots, told, stands_still); }};
}

registration const floor_by_vfork(floor_kind("floor", true));
registration const floor_going_on(floor_kind("floor without vfork", false));

} // namespace
} // namespace bench
