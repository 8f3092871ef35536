// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/report_channel.hpp"

#include "spawn/child_side.hpp"

#include <algorithm>
#include <cerrno>

namespace brood::detail {

error_code move_above_targets(os::private_fd& fd, plan const& p)
{
    if (fd.get() > p.highest_target)
        return {};
    os::private_fd moved;
    {
        os::fork_block const block;
        auto duplicate = os::duplicate_above(fd.get(), p.highest_target);
        if (!duplicate)
            return make_error_code(spawn_stage::pipe, duplicate.error().value());
        moved = os::private_fd(std::move(duplicate).value(), block);
    }
    fd = std::move(moved);
    return {};
}

result<report_channel> report_channel::create(plan const& p)
{
    os::unique_fd parent_end;
    os::private_fd child_end;
    {
        os::fork_block const block;
        auto ends = os::make_report_channel();
        if (!ends)
            return make_error_code(spawn_stage::pipe, ends.error().value());
        parent_end = std::move(ends.value().first);
        child_end = os::private_fd(std::move(ends.value().second), block);
    }
    if (auto error = move_above_targets(child_end, p); error.failed())
        return error;
    return report_channel(std::move(parent_end), std::move(child_end));
}

// A message of one byte passes the pidfd. A failure is complete. Anything else is an error of its own.
report_channel::outcome report_channel::read() const noexcept
{
    outcome result{};
    wire_report report{};
    for (;;) {
        auto const size = os::read_report(parent_end_.get(), &report, sizeof report, result.pidfd);
        if (!size)
            result.failure = make_error_code(spawn_stage::clone, size.error().value());
        else if (size.value() == 1)
            continue;
        else if (size.value() == sizeof report && std::equal(report.footer, report.footer + 4, wire_report::mark))
            result = {{}, true, make_error_code(report.why.stage, report.why.error)};
        else if (size.value() != 0)
            result.failure = make_error_code(spawn_stage::clone, EPROTO);
        return result;
    }
}

} // namespace brood::detail
