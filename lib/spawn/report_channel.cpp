// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/report_channel.hpp"

#include "spawn/child_side.hpp"

#include <cerrno>
#include <cstring>

namespace brood::detail {

error_code move_above_targets(os::unique_fd& fd, plan const& p) noexcept
{
    if (fd.get() > p.highest_target)
        return {};
    auto moved = os::duplicate_above(fd.get(), p.highest_target);
    if (!moved)
        return make_error_code(spawn_stage::pipe, moved.error().value());
    fd = std::move(moved).value();
    return {};
}

result<report_channel> report_channel::create(plan const& p) noexcept
{
    auto ends = os::make_report_channel();
    if (!ends)
        return make_error_code(spawn_stage::pipe, ends.error().value());
    if (auto error = move_above_targets(ends.value().second, p); error.failed())
        return error;
    return report_channel(std::move(ends).value());
}

// The child writes a complete failure or nothing. Anything else is an error of its own.
report_channel::outcome report_channel::read() const noexcept
{
    wire_report report{};
    auto const size = os::read_report(parent_end(), &report, sizeof report);
    if (!size)
        return {false, make_error_code(spawn_stage::clone, size.error().value())};
    if (size.value() == 0)
        return {true, {}};
    if (size.value() != sizeof report || std::memcmp(report.footer, wire_report::mark, sizeof report.footer) != 0)
        return {false, make_error_code(spawn_stage::clone, EPROTO)};
    return {true, make_error_code(report.why.stage, report.why.error)};
}

} // namespace brood::detail
