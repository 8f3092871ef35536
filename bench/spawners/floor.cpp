// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The system calls that every spawn needs, and no others: clone, execve, epoll, waitid, close.
#include "minimal_child.hpp"
#include "pidfd_loop.hpp"

namespace bench {
namespace {

/// With vfork, the parent is suspended until the child has executed. Without it, each child has its own stack.
class floor_spawner final : public pidfd_loop {
public:
    floor_spawner(int slots, listener& listener, bool vfork)
        : pidfd_loop(slots, listener),
          vfork_(vfork),
          stack_stride_(vfork ? 0 : minimal_stack_size),
          stacks_(new char[minimal_stack_size * (vfork ? 1 : static_cast<std::size_t>(slots))])
    {}

    void start(int slot, std::string const& program) override
    {
        char* const stack = stacks_.get() + stack_stride_ * static_cast<std::size_t>(slot);
        int pidfd = -1;
        pid_t const pid = spawn_minimal_child(program, stack, vfork_, pidfd);
        add(slot, pid, pidfd);
    }

private:
    bool vfork_;
    std::size_t stack_stride_;
    std::unique_ptr<char[]> stacks_;
};

spawner_kind floor_kind(char const* name, bool vfork)
{
    return {
        name, [=](int slots, listener& listener) { return std::make_unique<floor_spawner>(slots, listener, vfork); }};
}

registration const with_vfork(floor_kind("floor", true));
registration const without_vfork(floor_kind("floor without vfork", false));

} // namespace
} // namespace bench
