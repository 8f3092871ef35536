// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// What one writes without a library: posix_spawn and pidfd_open.
#include "pidfd_loop.hpp"

#include "../check.hpp"

#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bench {
namespace {

class by_hand final : public pidfd_loop {
public:
    using pidfd_loop::pidfd_loop;

    void start(int slot, std::string const& program) override
    {
        char* const argv[] = {const_cast<char*>(program.c_str()), nullptr};
        pid_t pid = 0;
        check(-::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, environ), "posix_spawn");
        // By its number: older headers have no function for it.
        await(slot, pid, static_cast<int>(check(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open")));
    }
};

registration const
    all({"posix_spawn by hand", [](int slots, audience& told) { return std::make_unique<by_hand>(slots, told); }});

} // namespace
} // namespace bench
