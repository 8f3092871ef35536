// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The least that a program can do: clone, execve, epoll, waitid, close.
#include "least_child.hpp"
#include "pidfd_loop.hpp"

namespace bench {
namespace {

/// The parent stands still until its child has executed, or, with a stack for each child, goes on at once.
class floor_way final : public pidfd_loop {
public:
    floor_way(int slots, audience& told, bool stands_still)
        : pidfd_loop(slots, told),
          stands_still_(stands_still),
          stack_per_slot_(stands_still ? 0 : least_stack_size),
          stacks_(new char[least_stack_size * (stands_still ? 1 : static_cast<std::size_t>(slots))])
    {}

    void start(int slot, std::string const& program) override
    {
        char* const stack = stacks_.get() + stack_per_slot_ * static_cast<std::size_t>(slot);
        int pidfd = -1;
        pid_t const pid = start_least_child(program, stack, stands_still_, pidfd);
        await(slot, pid, pidfd);
    }

private:
    bool stands_still_;
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
