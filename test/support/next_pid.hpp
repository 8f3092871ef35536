// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_NEXT_PID_HPP
#define BROOD_TEST_SUPPORT_NEXT_PID_HPP

#include "support/support.hpp"

#include <fstream>
#include <optional>

namespace test {

/// Starts a child that gets this pid, which other processes may take before. None if the system does not let this process
/// choose: the test is then skipped with a message.
inline std::optional<brood::child> spawn_with_pid(asio::io_context& context, pid_t pid, brood::command const& cmd)
{
    for (int attempt = 0; attempt < 100; ++attempt) {
        std::ofstream last("/proc/sys/kernel/ns_last_pid");
        last << pid - 1 << std::flush;
        if (!last)
            break;
        if (auto next = brood::spawn(context, cmd).value(); next.id() == pid)
            return next;
    }
    MESSAGE("skipped: the next pid cannot be chosen");
    return std::nullopt;
}

} // namespace test

#endif
