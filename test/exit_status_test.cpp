// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/siginfo_status.hpp"
#include "support/system.hpp"

#include <brood/exit_status.hpp>

#include <doctest/doctest.h>

#include <climits>
#include <concepts>
#include <sstream>
#include <vector>

#include <signal.h>
#include <sys/wait.h>

using namespace brood;

namespace {

static_assert(std::regular<exit_status>);

std::string printed(exit_status status)
{
    std::ostringstream out;
    out << status;
    return out.str();
}

constexpr int exited(int code) { return code << 8; }
constexpr int stopped(int signal) { return signal << 8 | 0x7f; }

constexpr int dumped = 0x80;
constexpr int continued = 0xffff;

} // namespace

TEST_SUITE_BEGIN("exit_status");

TEST_CASE("exit_status: prints every kind of status")
{
    struct {
        int raw;
        std::string_view text;
    } const rows[] = {
        {0, "exit status: 0"},
        {exited(1), "exit status: 1"},
        {exited(127), "exit status: 127"},
        {exited(255), "exit status: 255"},
        {SIGKILL, "signal: 9 (SIGKILL)"},
        {SIGTERM, "signal: 15 (SIGTERM)"},
        {SIGHUP, "signal: 1 (SIGHUP)"},
        {SIGABRT | dumped, "signal: 6 (SIGABRT) (core dumped)"},
        {SIGSEGV | dumped, "signal: 11 (SIGSEGV) (core dumped)"},
        {40, "signal: 40"},
        {40 | dumped, "signal: 40 (core dumped)"},
        {126, "signal: 126"},
        {stopped(19), "stopped (not terminated) by signal: 19 (SIGSTOP)"},
        {stopped(5), "stopped (not terminated) by signal: 5 (SIGTRAP)"},
        {stopped(40), "stopped (not terminated) by signal: 40"},
        {continued, "continued (WIFCONTINUED)"},
        {0x1ff, "unrecognised wait status: 511 0x1ff"},
        {0x7fff, "unrecognised wait status: 32767 0x7fff"},
        {-1, "unrecognised wait status: -1 0xffffffff"},
    };
    for (auto const& row : rows) {
        CAPTURE(row.raw);
        auto const status = exit_status::from_raw(row.raw);
        CHECK(to_string(status) == row.text);
        CHECK(printed(status) == row.text);
    }
}

TEST_CASE("exit_status: from_raw and raw keep every value")
{
    for (int const raw : {0, 1, 9, 0x7f, 0x80, 0xff, 0x100, 0xff00, 0xffff, 0x10000, -1, INT_MAX, INT_MIN}) {
        CAPTURE(raw);
        CHECK(exit_status::from_raw(raw).raw() == raw);
        CHECK(exit_status::from_raw(raw) == exit_status::from_raw(raw));
        CHECK(exit_status::from_raw(raw) != exit_status::from_raw(raw ^ 0x100));
    }
}

TEST_CASE("exit_status: the observers decode the raw status")
{
    using number = std::optional<int>;
    number const none;
    struct {
        int raw;
        bool success;
        number code, signal;
        bool core;
        number stopped_signal;
        bool continued;
    } const rows[] = {
        {0, true, 0, none, false, none, false},
        {exited(1), false, 1, none, false, none, false},
        {exited(128), false, 128, none, false, none, false},
        {exited(255), false, 255, none, false, none, false},
        {SIGHUP, false, none, SIGHUP, false, none, false},
        {SIGKILL, false, none, SIGKILL, false, none, false},
        {64, false, none, 64, false, none, false},
        {SIGQUIT | dumped, false, none, SIGQUIT, true, none, false},
        {SIGSYS | dumped, false, none, SIGSYS, true, none, false},
        {stopped(SIGTSTP), false, none, none, false, SIGTSTP, false},
        {stopped(SIGSTOP), false, none, none, false, SIGSTOP, false},
        {stopped(0x85), false, none, none, false, 0x85, false}, // a system-call stop under ptrace(2)
        {continued, false, none, none, false, none, true},
        {0x1ff, false, none, none, false, none, false},
        {-1, false, none, none, false, none, false},
    };
    for (auto const& row : rows) {
        CAPTURE(row.raw);
        auto const status = exit_status::from_raw(row.raw);
        CHECK(status.success() == row.success);
        CHECK(status.code() == row.code);
        CHECK(status.signal() == row.signal);
        CHECK(status.core_dumped() == row.core);
        CHECK(status.stopped_signal() == row.stopped_signal);
        CHECK(status.continued() == row.continued);
    }
}

TEST_CASE("exit_status: decodes every code and signal")
{
    for (int code = 0; code <= 255; ++code) {
        CAPTURE(code);
        auto const status = exit_status::from_raw(exited(code));
        CHECK(status.code() == code);
        CHECK(status.signal() == std::nullopt);
        CHECK(status.success() == (code == 0));
    }
    for (int signal = 1; signal <= 64; ++signal) {
        CAPTURE(signal);
        CHECK(exit_status::from_raw(signal).signal() == signal);
        CHECK(exit_status::from_raw(signal).code() == std::nullopt);
        CHECK_FALSE(exit_status::from_raw(signal).core_dumped());
        CHECK(exit_status::from_raw(signal | dumped).signal() == signal);
        CHECK(exit_status::from_raw(signal | dumped).core_dumped());
        CHECK(exit_status::from_raw(stopped(signal)).stopped_signal() == signal);
    }
}

TEST_CASE("exit_status: a default-constructed status is neither success nor exit")
{
    exit_status const status;
    CHECK_FALSE(status.success());
    CHECK(status.code() == std::nullopt);
    CHECK(status.signal() == std::nullopt);
    CHECK_FALSE(status.core_dumped());
    CHECK(status.stopped_signal() == std::nullopt);
    CHECK_FALSE(status.continued());
    CHECK_FALSE(status.check());
    CHECK(status == exit_status());
    CHECK(status != exit_status::from_raw(0));
    CHECK(to_string(status).starts_with("unrecognised wait status: "));
}

TEST_CASE("exit_status: check fails for everything except success")
{
    CHECK(exit_status::from_raw(0).check());
    for (int const raw : {exited(1), exited(255), SIGKILL + 0, SIGABRT | dumped, stopped(SIGSTOP), continued, -1}) {
        CAPTURE(raw);
        auto const checked = exit_status::from_raw(raw).check();
        REQUIRE_FALSE(checked);
        error_code const ec = checked.error();
        CHECK(ec.failed());
        CHECK(ec.value() == raw);
        CHECK(ec.category() == exit_category());
        CHECK(ec.message() == to_string(exit_status::from_raw(raw)));
    }
}

TEST_CASE("exit_category: its errors equal no errno and have no stage")
{
    // The raw status of SIGINT and ENOENT have the same value.
    error_code const ec = exit_status::from_raw(SIGINT).check().error();
    CHECK(ec != std::errc::no_such_file_or_directory);
    CHECK(ec != errc::empty_program);
    CHECK(stage_of(ec) == std::nullopt);
    CHECK(std::string_view(exit_category().name()) == "brood.exit");
}

TEST_CASE("signal_name: returns the name of every signal")
{
    struct {
        int signal;
        std::string_view name;
    } const rows[] = {
        {SIGHUP, "SIGHUP"},       {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},   {SIGILL, "SIGILL"},
        {SIGTRAP, "SIGTRAP"},     {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},     {SIGFPE, "SIGFPE"},
        {SIGKILL, "SIGKILL"},     {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"},   {SIGUSR2, "SIGUSR2"},
        {SIGPIPE, "SIGPIPE"},     {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},   {SIGCHLD, "SIGCHLD"},
        {SIGCONT, "SIGCONT"},     {SIGSTOP, "SIGSTOP"}, {SIGTSTP, "SIGTSTP"},   {SIGTTIN, "SIGTTIN"},
        {SIGTTOU, "SIGTTOU"},     {SIGURG, "SIGURG"},   {SIGXCPU, "SIGXCPU"},   {SIGXFSZ, "SIGXFSZ"},
        {SIGVTALRM, "SIGVTALRM"}, {SIGPROF, "SIGPROF"}, {SIGWINCH, "SIGWINCH"}, {SIGIO, "SIGIO"},
        {SIGSYS, "SIGSYS"},
#ifdef SIGSTKFLT
        {SIGSTKFLT, "SIGSTKFLT"},
#endif
#ifdef SIGPWR
        {SIGPWR, "SIGPWR"},
#endif
    };
    for (auto const& row : rows) {
        CAPTURE(row.signal);
        CHECK(signal_name(row.signal) == row.name);
    }
}

TEST_CASE("signal_name: every standard signal has a name")
{
    for (int signal = 1; signal <= 31; ++signal) {
        CAPTURE(signal);
        CHECK(signal_name(signal).starts_with("SIG"));
    }
}

TEST_CASE("signal_name: empty for numbers without a name")
{
    std::vector<int> numbers{INT_MIN, -9, -1, 0, 32, 33, 65, 128 + SIGKILL, INT_MAX};
    for (int const signal : test::system::realtime_signals())
        numbers.push_back(signal);
    for (int const number : numbers) {
        CAPTURE(number);
        CHECK(signal_name(number).empty());
    }
}

TEST_CASE("from_siginfo: returns the status that waitpid(2) reports")
{
    struct {
        int code, value, raw;
    } const rows[] = {
        {CLD_EXITED, 0, 0},
        {CLD_EXITED, 1, 0x100},
        {CLD_EXITED, 255, 0xff00},
        {CLD_EXITED, 0x1ff, 0xff00}, // a code has eight bits
        {CLD_EXITED, -1, 0xff00},
        {CLD_KILLED, SIGKILL, SIGKILL},
        {CLD_KILLED, SIGHUP, SIGHUP},
        {CLD_KILLED, 64, 64},
        {CLD_DUMPED, SIGABRT, SIGABRT | 0x80},
        {CLD_DUMPED, SIGSEGV, SIGSEGV | 0x80},
        {CLD_CONTINUED, SIGCONT, 0xffff},
        {CLD_STOPPED, SIGSTOP, SIGSTOP << 8 | 0x7f},
        {CLD_STOPPED, SIGTTIN, SIGTTIN << 8 | 0x7f},
        {CLD_TRAPPED, SIGTRAP, SIGTRAP << 8 | 0x7f},
        {CLD_TRAPPED, SIGTRAP | 3 << 8, SIGTRAP << 8 | 0x7f}, // with a ptrace(2) event
    };
    for (auto const& row : rows) {
        CAPTURE(row.code);
        CAPTURE(row.value);
        CHECK(detail::from_siginfo(row.code, row.value).raw() == row.raw);
    }
}

TEST_CASE("from_siginfo: converts every code and signal")
{
    for (int code = 0; code <= 255; ++code) {
        CAPTURE(code);
        CHECK(detail::from_siginfo(CLD_EXITED, code).code() == code);
    }
    for (int signal = 1; signal <= 64; ++signal) {
        CAPTURE(signal);
        auto const killed = detail::from_siginfo(CLD_KILLED, signal);
        CHECK(killed.signal() == signal);
        CHECK_FALSE(killed.core_dumped());
        auto const with_core = detail::from_siginfo(CLD_DUMPED, signal);
        CHECK(with_core.signal() == signal);
        CHECK(with_core.core_dumped());
    }
}

TEST_CASE("from_siginfo: an unknown code gives the default status")
{
    for (int const code : {0, -1, SI_USER + 0, SI_QUEUE + 0, 7, INT_MAX, INT_MIN}) {
        CAPTURE(code);
        CHECK(detail::from_siginfo(code, 0) == exit_status());
        CHECK(detail::from_siginfo(code, SIGKILL) == exit_status());
    }
}

TEST_CASE("exit_status: shell_code is what a shell reports")
{
    struct {
        int raw, code;
    } const rows[] = {
        {0, 0},
        {exited(1), 1},
        {exited(255), 255},
        {SIGKILL, 128 + SIGKILL},
        {SIGSEGV | dumped, 128 + SIGSEGV},
        {64, 192},
        {stopped(SIGTSTP), 128 + SIGTSTP},
        {exit_status().raw(), 255},
    };
    for (auto const& row : rows) {
        CAPTURE(row.raw);
        CHECK(exit_status::from_raw(row.raw).shell_code() == row.code);
    }
}

TEST_CASE("exit_status: pipefail is the last failure")
{
    auto const status = [](int raw) { return exit_status::from_raw(raw); };
    CHECK(pipefail(std::vector<exit_status>{}).success());
    CHECK(pipefail(std::vector{status(0), status(0)}).success());
    CHECK(pipefail(std::vector{status(exited(1)), status(SIGPIPE), status(0)}) == status(SIGPIPE));
    CHECK(pipefail(std::vector{status(exited(1)), status(exited(2))}) == status(exited(2)));
}

TEST_SUITE_END();
