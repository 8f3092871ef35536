// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fuzz/input.hpp"
#include "fuzz/targets.hpp"
#include "process/siginfo_status.hpp"

#include <brood/error.hpp>
#include <brood/exit_status.hpp>

#include <array>
#include <optional>
#include <sstream>

#include <signal.h>
#include <sys/wait.h>

using namespace brood;

namespace test::fuzz {
namespace {

// A status word, decoded by its bits as wait(2) of Linux defines them.
struct decoded {
    explicit decoded(int raw)
    {
        int const low = raw & 0xff;
        int const high = raw >> 8 & 0xff;
        if ((low & 0x7f) == 0)
            code = high;
        else if ((low & 0x7f) != 0x7f)
            signal = low & 0x7f;
        else if (low == 0x7f)
            stopped_signal = high;
        else
            continued = raw == 0xffff;
        core_dumped = signal && (low & 0x80);
    }

    std::optional<int> code, signal, stopped_signal;
    bool core_dumped = false;
    bool continued = false;
};

std::string with_name(int signal)
{
    auto const name = signal_name(signal);
    return std::to_string(signal) + (name.empty() ? "" : " (" + std::string(name) + ")");
}

std::string text_of(decoded const& status, int raw)
{
    if (status.code)
        return "exit status: " + std::to_string(*status.code);
    if (status.signal)
        return "signal: " + with_name(*status.signal) + (status.core_dumped ? " (core dumped)" : "");
    if (status.stopped_signal)
        return "stopped (not terminated) by signal: " + with_name(*status.stopped_signal);
    if (status.continued)
        return "continued (WIFCONTINUED)";
    std::ostringstream hex;
    hex << "unrecognised wait status: " << raw << " 0x" << std::hex << static_cast<unsigned>(raw);
    return hex.str();
}

void check_status(exit_status status)
{
    int const raw = status.raw();
    decoded const model(raw);
    std::string const text = to_string(status);
    expect(exit_status::from_raw(raw) == status, "from_raw: " + text);
    expect(status.code() == model.code, "code: " + text);
    expect(status.signal() == model.signal, "signal: " + text);
    expect(status.core_dumped() == model.core_dumped, "core_dumped: " + text);
    expect(status.stopped_signal() == model.stopped_signal, "stopped_signal: " + text);
    expect(status.continued() == model.continued, "continued: " + text);
    expect(text == text_of(model, raw), "to_string: " + text);
    std::ostringstream printed;
    printed << status;
    expect(printed.str() == text, "operator<<: " + printed.str());

    auto const checked = status.check();
    expect(status.success() == (raw == 0) && checked.has_value() == status.success(), "success: " + text);
    if (!checked) {
        error_code const error = checked.error();
        expect(error.failed() && error.value() == raw && error.category() == exit_category(), "check: " + text);
        expect(error.message() == text && !stage_of(error), "message: " + error.message());
    }
}

// The word that waitpid(2) reports for the same change of state.
std::optional<int> word_of(int code, int value)
{
    switch (code) {
    case CLD_EXITED: return (value & 0xff) << 8;
    case CLD_KILLED: return value;
    case CLD_DUMPED: return value | 0x80;
    case CLD_STOPPED:
    case CLD_TRAPPED: return (value & 0xff) << 8 | 0x7f;
    case CLD_CONTINUED: return 0xffff;
    default: return std::nullopt;
    }
}

void check_siginfo(int code, int value)
{
    auto const status = detail::from_siginfo(code, value);
    auto const word = word_of(code, value);
    expect(status == (word ? exit_status::from_raw(*word) : exit_status()), "from_siginfo: " + to_string(status));
    check_status(status);
}

constexpr std::array stages{
    spawn_stage::prepare, spawn_stage::pipe,        spawn_stage::clone,  spawn_stage::signals,   spawn_stage::stdio,
    spawn_stage::session, spawn_stage::terminal,    spawn_stage::limits, spawn_stage::directory, spawn_stage::hook,
    spawn_stage::cgroup,  spawn_stage::credentials, spawn_stage::exec,
};

void check_error(spawn_stage stage, int value)
{
    auto const error = make_error_code(stage, value);
    std::string const text = error.message();
    expect(stage_of(error) == stage && error.value() == value, "stage_of: " + text);
    expect(error.failed() == (value != 0), "failed: " + text);
    expect(!brood_category().message(value).empty(), "brood_category: " + std::to_string(value));
}

} // namespace

void check_exit_status(std::string_view bytes)
{
    input in(bytes);
    while (!in.empty())
        switch (in.below(4)) {
        case 0: check_status(exit_status::from_raw(in.number())); break;
        case 1: check_status(exit_status::from_raw(in.number() & 0xffff)); break;
        case 2: {
            int const code = static_cast<int>(in.below(8));
            check_siginfo(code == 7 ? in.number() : code, in.number());
            break;
        }
        case 3: {
            auto const stage = stages[in.below(stages.size())];
            check_error(stage, in.number());
            break;
        }
        }
}

} // namespace test::fuzz
