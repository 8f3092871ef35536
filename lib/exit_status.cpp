// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/exit_status.hpp>

#include <cstdio>
#include <ostream>

#include <sys/wait.h>

namespace brood {
namespace {

std::string signal_text(int signal)
{
    std::string text = std::to_string(signal);
    if (auto name = signal_name(signal); !name.empty())
        text.append(" (").append(name).append(")");
    return text;
}

// All systems encode a status in this way, except a continuation. Their macros disagree about words that no kernel
// reports.
int end_signal(int raw) noexcept { return raw & 0x7f; } // 0 if the process has exited, 0x7f if it has not ended
int high_byte(int raw) noexcept { return raw >> 8 & 0xff; }
bool is_killed(int raw) noexcept { return end_signal(raw) != 0 && end_signal(raw) != 0x7f; }

class exit_status_category final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "brood.exit"; }
    std::string message(int value) const override { return to_string(exit_status::from_raw(value)); }
};

} // namespace

std::optional<int> exit_status::code() const noexcept
{
    return end_signal(raw_) == 0 ? std::optional(high_byte(raw_)) : std::nullopt;
}

std::optional<int> exit_status::signal() const noexcept
{
    return is_killed(raw_) ? std::optional(end_signal(raw_)) : std::nullopt;
}

bool exit_status::core_dumped() const noexcept { return is_killed(raw_) && (raw_ & 0x80) != 0; }

std::optional<int> exit_status::stopped_signal() const noexcept
{
    return (raw_ & 0xff) == 0x7f && !continued() ? std::optional(high_byte(raw_)) : std::nullopt;
}

bool exit_status::continued() const noexcept { return WIFCONTINUED(raw_); }

int exit_status::shell_code() const noexcept
{
    if (auto const by_code = code())
        return *by_code;
    auto const by_signal = signal() ? signal() : stopped_signal();
    return by_signal ? 128 + *by_signal : 255;
}

exit_status pipefail(std::span<exit_status const> statuses) noexcept
{
    for (auto i = statuses.size(); i-- > 0;)
        if (!statuses[i].success())
            return statuses[i];
    return exit_status::from_raw(0);
}

result<void> exit_status::check() const
{
    if (success())
        return boost::outcome_v2::success();
    return error_code(raw_, exit_category());
}

std::string to_string(exit_status status)
{
    if (auto code = status.code())
        return "exit status: " + std::to_string(*code);
    if (auto signal = status.signal())
        return "signal: " + signal_text(*signal) + (status.core_dumped() ? " (core dumped)" : "");
    if (auto signal = status.stopped_signal())
        return "stopped (not terminated) by signal: " + signal_text(*signal);
    if (status.continued())
        return "continued (WIFCONTINUED)";
    char hex[16];
    std::snprintf(hex, sizeof hex, "%#x", static_cast<unsigned>(status.raw()));
    return "unrecognised wait status: " + std::to_string(status.raw()) + " " + hex;
}

std::ostream& operator<<(std::ostream& out, exit_status status) { return out << to_string(status); }

boost::system::error_category const& exit_category() noexcept
{
    static exit_status_category const category;
    return category;
}

} // namespace brood
