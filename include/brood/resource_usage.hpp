// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_RESOURCE_USAGE_HPP
#define BROOD_RESOURCE_USAGE_HPP

#include <chrono>
#include <cstdint>

namespace brood {

/// The resources that a child and the children that it reaped have used. See getrusage(2).
struct resource_usage {
    std::chrono::microseconds user_time{};   ///< Processor time of the programs.
    std::chrono::microseconds system_time{}; ///< Processor time of the kernel on their behalf.

    /// Peak resident memory in bytes. The kernel counts the parent's memory at the time of the spawn, too.
    std::uint64_t max_rss = 0;
    std::uint64_t minor_faults = 0;         ///< Page faults that needed no I/O.
    std::uint64_t major_faults = 0;         ///< Page faults that needed I/O.
    std::uint64_t voluntary_switches = 0;   ///< Context switches because the process waited.
    std::uint64_t involuntary_switches = 0; ///< Context switches forced by the scheduler.

    /// The sums, and the larger `max_rss`.
    friend resource_usage operator+(resource_usage a, resource_usage const& b)
    {
        a.user_time += b.user_time;
        a.system_time += b.system_time;
        a.max_rss = a.max_rss < b.max_rss ? b.max_rss : a.max_rss;
        a.minor_faults += b.minor_faults;
        a.major_faults += b.major_faults;
        a.voluntary_switches += b.voluntary_switches;
        a.involuntary_switches += b.involuntary_switches;
        return a;
    }

    /// Compares all members.
    friend bool operator==(resource_usage const&, resource_usage const&) = default;
};

} // namespace brood

#endif
