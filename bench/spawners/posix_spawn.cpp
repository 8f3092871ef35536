// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// posix_spawn(3) and pidfd_open(2) without a library.
#include "pidfd_loop.hpp"

#include "../check.hpp"

#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bench {
namespace {

class posix_spawn_spawner final : public pidfd_loop {
public:
    using pidfd_loop::pidfd_loop;

    void start(int slot, std::string const& program) override
    {
        char* const argv[] = {const_cast<char*>(program.c_str()), nullptr};
        pid_t pid = 0;
        check(-::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, environ), "posix_spawn");
        // syscall(2), because older C libraries have no wrapper.
        add(slot, pid, static_cast<int>(check(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open")));
    }
};

registration const registered({"posix_spawn", [](int slots, listener& listener) {
                                   return std::make_unique<posix_spawn_spawner>(slots, listener);
                               }});

} // namespace
} // namespace bench
