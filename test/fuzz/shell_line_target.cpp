// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fuzz/folder.hpp"
#include "fuzz/input.hpp"
#include "fuzz/report.hpp"
#include "fuzz/shells.hpp"
#include "fuzz/targets.hpp"
#include "os/unique_fd.hpp"
#include "support/parent_environment.hpp"

#include <brood/spawn.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace brood;

namespace test::fuzz {
namespace {

using strings = std::vector<std::string>;

// Names of programs and folders to which a shell or env(1) could give a meaning.
constexpr std::string_view names[] = {
    "probe", "echo", "if",   "-",     "-x",  "--",         "a=b", "=probe",
    "a b",   "~",    "it's", "$HOME", "`x`", "line\nline", "!1",  "\377",
};

// Parts of arguments and values.
constexpr std::string_view fragments[] = {
    "'",    "\"",           "\\", "\n",  "\r\n", "!",     "$(echo x)", "`echo x`",
    "${A}", "$'\\n'",       "~",  "*",   "?[a]", "{a,b}", " ",         "\t",
    "-n",   "--",           "=",  "#",   ";",    "&",     "|",         "<",
    ">",    "()",           "%s", "\\c", "\x01", "\x7f",  "\x81",      "\xff\xfe",
    "\xc3", "\xed\xa0\x80",
};

/// Folders, each with a program of every name.
class fixture {
public:
    fixture()
    {
        namespace fs = std::filesystem;
        auto const probe = fs::absolute(std::getenv("BROOD_PROBE"));
        fs::create_directory(all.path("base"));
        fs::create_directory(all.path("decoy"));
        for (auto name : names) {
            fs::create_directories(base(name));
            fs::create_directories(all.path("decoy") / fs::path(name));
            fs::create_directory(all.path("path-" + std::string(name)));
        }
        fs::create_directory(all.path("bin"));
        fs::create_directories(all.path("elsewhere/inner"));
        fs::create_directory_symlink(all.path("elsewhere/inner"), base("link"));
        for (auto name : names)
            fs::create_symlink(probe, program(name));
    }

    std::string base() const { return all.path("base"); } ///< The working directory of the shell.
    std::string base(std::string_view name) const { return base() + "/" + std::string(name); }
    std::string program(std::string_view name) const { return bin() + "/" + std::string(name); }
    std::string bin() const { return all.path("bin"); }

    folder all;
};

fixture const& shared()
{
    static fixture const all;
    return all;
}

/// A command, and what the documentation says about it.
struct fuzzed {
    command cmd{""};
    std::string program;
    strings arguments{"start-in"}; // with which the probe reports its directory and start
    std::optional<std::string> directory;
    std::map<std::string, std::optional<std::string>> changes;
    std::set<std::string> kept;
    bool is_cleared = false;
    bool has_arg0 = false;
};

/// The environment of the shell. CDPATH has folders of the same names as the working directory.
std::map<std::string, std::string> inherited()
{
    return {
        {"A", "1"},
        {"B", ""},
        {"C", "x=y 'z'\n"},
        {"CDPATH", shared().all.path("decoy")},
        {"PATH", shared().bin() + ":/usr/bin:/bin"},
    };
}

// Variables that a shell sets itself.
bool is_of_shell(std::string const& key) { return key == "PWD" || key == "OLDPWD" || key == "SHLVL" || key == "_"; }

std::string read_text(input& in)
{
    if (in.below(4) == 0)
        return in.text();
    std::string text;
    for (auto count = in.below(8); count > 0; --count)
        if (in.flag())
            text += fragments[in.below(std::size(fragments))];
        else
            text.push_back(static_cast<char>(in.byte()));
    return text;
}

std::string read_program(input& in)
{
    auto const name = names[in.below(std::size(names))];
    switch (in.below(8)) {
    case 0: return shared().program(name);
    case 1: return "../bin/" + std::string(name); // if there is no other directory
    case 2: return in.below(8) == 0 ? "" : std::string(name);
    default: return std::string(name);
    }
}

std::string read_directory(input& in)
{
    std::string const name(names[in.below(std::size(names))]);
    switch (in.below(8)) {
    case 0: return shared().base(name);
    case 1: return "link";
    case 2: return "link/..";
    case 3: return in.flag() ? "." : "..";
    case 4: return in.below(8) == 0 ? "" : "./" + name + "//";
    default: return name;
    }
}

std::string read_key(input& in)
{
    static constexpr std::string_view keys[] = {
        "A", "B", "C", "MISSING", "PWD", "UID", "IFS", "PS4", "-x", "-", "a b", "a;b", "1", "it's", "\n", "",
    };
    return in.below(8) == 0 ? read_text(in) : std::string(keys[in.below(std::size(keys))]);
}

void change_environment(fuzzed& all, input& in)
{
    switch (in.below(16)) {
    case 0:
        all.cmd.env_clear();
        all.changes.clear();
        all.kept.clear();
        all.is_cleared = true;
        break;
    case 1:
    case 2: {
        static constexpr std::string_view keys[] = {"A", "B", "C", "MISSING", "PATH", "CDPATH", "a b"};
        std::string const key(keys[in.below(std::size(keys))]);
        all.cmd.env_keep(key);
        all.kept.insert(key);
        all.is_cleared = true;
        break;
    }
    case 3:
    case 4:
    case 5: {
        auto const key = read_key(in);
        all.cmd.env_remove(key);
        all.changes[key] = std::nullopt;
        break;
    }
    default: {
        auto const key = read_key(in);
        auto const value = read_text(in);
        all.cmd.env(key, value);
        all.changes[key] = value;
    }
    }
}

fuzzed read_command(input& in)
{
    fuzzed all;
    all.program = read_program(in);
    while (!in.empty())
        switch (in.below(8)) {
        case 0:
            all.directory = read_directory(in);
            all.cmd.current_dir(*all.directory);
            break;
        case 1:
            all.has_arg0 = in.below(8) == 0;
            if (all.has_arg0)
                all.cmd.arg0("name");
            break;
        case 2:
        case 3:
        case 4: change_environment(all, in); break;
        default: all.arguments.push_back(read_text(in));
        }
    all.has_arg0 = all.cmd.data().arg0.has_value();
    // Without PATH, the program is not found by its name.
    bool const has_path = !all.is_cleared || all.kept.contains("PATH");
    bool const is_path = all.program.find('/') != all.program.npos;
    if (all.program.starts_with("..") && all.directory)
        all.program = shared().program("probe");
    if (!has_path && !is_path && !all.program.empty())
        all.program = shared().program(all.program);
    all.cmd.program(all.program).args(all.arguments);
    return all;
}

bool has_nul(std::string const& string) { return string.find('\0') != string.npos; }

bool is_identifier(std::string const& key) { return key.find_first_of(" ;'\n-") == key.npos; }

error_code expected_error(fuzzed const& all)
{
    bool nul = false;
    bool bad_key = false;
    for (auto const& argument : all.arguments)
        nul |= has_nul(argument);
    for (auto const& [key, value] : all.changes) {
        nul |= has_nul(key) || has_nul(value.value_or(""));
        bad_key |= key.empty() || key.find('=') != key.npos;
    }
    if (nul)
        return errc::nul_byte;
    if (all.program.empty())
        return errc::empty_program;
    if (bad_key)
        return errc::invalid_environment_key;
    if (all.directory == "")
        return make_error_code(spawn_stage::directory, ENOENT);
    bool const needs_env = all.is_cleared || !all.changes.empty() || all.program.starts_with('-');
    bool const is_lost = needs_env && (all.program == "-" || all.program.find('=') != all.program.npos);
    bool keeps_other = false;
    for (auto const& key : all.kept)
        keeps_other |= !is_identifier(key) && !all.changes.contains(key);
    return all.has_arg0 || is_lost || keeps_other ? error_code(errc::inexpressible) : error_code();
}

strings expected_environment(fuzzed const& all)
{
    auto variables = inherited();
    if (all.is_cleared)
        std::erase_if(variables, [&](auto const& each) { return !all.kept.contains(each.first); });
    for (auto const& [key, value] : all.changes) {
        variables.erase(key);
        if (value)
            variables.emplace(key, *value);
    }
    strings entries;
    for (auto const& [key, value] : variables)
        entries.push_back(key + "=" + value);
    std::sort(entries.begin(), entries.end());
    return entries;
}

std::string expected_directory(fuzzed const& all)
{
    namespace fs = std::filesystem;
    return all.directory ? fs::canonical(shared().base() / fs::path(*all.directory)).string() : shared().base();
}

std::string run(shell const& with, std::string const& line)
{
    int ends[2];
    expect(::pipe2(ends, O_CLOEXEC) == 0, "no pipe");
    os::unique_fd const report(ends[0]);
    os::unique_fd child_end(ends[1]);
    command cmd(with.words.front(), {with.words.begin() + 1, with.words.end()});
    cmd.arg(line).current_dir(shared().base()).env_clear().env(inherited());
    cmd.in(stdio::null()).out(stdio::fd(child_end.get())).err(stdio::null());
    boost::asio::io_context context;
    auto spawned = spawn(context, cmd);
    expect(spawned.has_value(), "the shell cannot be started");
    child_end.reset();
    auto const text = read_to_end(report.get());
    auto const status = spawned.value().wait();
    expect(status && status.value().success(), std::string(with.name) + ": the shell has failed: " + line);
    return text;
}

void check_report(fuzzed const& all, std::string const& report, std::string const& context)
{
    strings const found = split_strings(report);
    strings expected{all.program};
    expected.insert(expected.end(), all.arguments.begin(), all.arguments.end());
    constexpr std::size_t before = 3; // the directory, the path and the number of arguments
    expect(found.size() >= before + expected.size(), "the report is too short: " + context);
    expect(found[0] == expected_directory(all), "another directory: " + found[0] + ": " + context);
    expect(found[2] == std::to_string(expected.size()), "another number of arguments: " + context);
    expect(std::equal(expected.begin(), expected.end(), found.begin() + before), "other arguments: " + context);
    strings variables(found.begin() + static_cast<std::ptrdiff_t>(before + expected.size()), found.end());
    std::erase_if(variables, [&](std::string const& entry) {
        auto const key = entry.substr(0, entry.find('='));
        return is_of_shell(key) && !all.changes.contains(key);
    });
    std::sort(variables.begin(), variables.end());
    expect(variables == expected_environment(all), "another environment: " + context);
}

} // namespace

bool is_installed(shell const& candidate) { return ::access(candidate.words.front().c_str(), X_OK) == 0; }

void check_shell_line(std::string_view bytes)
{
    input in(bytes);
    fuzzed const all = read_command(in);
    auto const line = shell_line(all.cmd);
    auto const expected = expected_error(all);
    auto const error = line ? error_code() : line.error();
    expect(error == expected, "expected \"" + expected.message() + "\", not \"" + error.message() + "\"");
    if (error.failed())
        return;
    for (auto const& each : shells)
        if (is_installed(each))
            check_report(all, run(each, line.value()), std::string(each.name) + ": " + line.value());
}

} // namespace test::fuzz
