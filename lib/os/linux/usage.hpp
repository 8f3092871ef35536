// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_LINUX_USAGE_HPP
#define BROOD_LIB_OS_LINUX_USAGE_HPP

#include "os/linux/abi.hpp"

#include <brood/resource_usage.hpp>

namespace brood::os {

inline resource_usage from_kernel(abi::rusage const& usage) noexcept
{
    using std::chrono::microseconds, std::chrono::seconds;
    auto const count = [](long value) { return static_cast<std::uint64_t>(value); };
    return {
        .user_time = seconds(usage.user_seconds) + microseconds(usage.user_microseconds),
        .system_time = seconds(usage.system_seconds) + microseconds(usage.system_microseconds),
        .max_rss = count(usage.max_rss_kib) * 1024,
        .minor_faults = count(usage.minor_faults),
        .major_faults = count(usage.major_faults),
        .voluntary_switches = count(usage.voluntary_switches),
        .involuntary_switches = count(usage.involuntary_switches),
    };
}

} // namespace brood::os

#endif
