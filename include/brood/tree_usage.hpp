// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TREE_USAGE_HPP
#define BROOD_TREE_USAGE_HPP

#include <chrono>
#include <cstdint>
#include <optional>

namespace brood {

/// What the processes of a cgroup have used: a child and everything that it has started. See cgroups(7).
/**
 * A controller counts only if the system has enabled it for the cgroup.
 */
struct tree_usage {
    std::chrono::microseconds user_time{};       ///< Processor time of the programs.
    std::chrono::microseconds system_time{};     ///< Processor time of the kernel on their behalf.
    std::optional<std::uint64_t> peak_memory;    ///< In bytes. Empty without the memory controller (Linux 5.19).
    std::optional<std::uint64_t> peak_processes; ///< Processes and threads at once. Empty without the pids controller.
    std::uint64_t out_of_memory_kills = 0;       ///< Processes that the system has killed because of a memory limit.

    /// Compares all members.
    friend bool operator==(tree_usage const&, tree_usage const&) = default;
};

} // namespace brood

#endif
