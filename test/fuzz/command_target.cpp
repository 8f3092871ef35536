// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fuzz/folder.hpp"
#include "fuzz/input.hpp"
#include "fuzz/report.hpp"
#include "fuzz/targets.hpp"
#include "os/spawn_extensions.hpp"
#include "os/unique_fd.hpp"
#include "spawn/launcher.hpp"
#include "support/parent_environment.hpp"

#include <brood/spawn.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace brood;

namespace test::fuzz {
namespace {

using strings = std::vector<std::string>;

// A name that no system has, because a case executes whatever PATH leads to.
constexpr std::string_view program_name = "brood-fuzz-child";

// The content of a file that is executable and no program.
constexpr std::string_view text = "no program";
constexpr off_t text_size = text.size();

/// Folders to search, and programs to execute.
class fixture {
public:
    fixture()
    {
        namespace fs = std::filesystem;
        auto const probe = fs::absolute(std::getenv("BROOD_PROBE"));
        for (auto name : {"good", "also good", "text", "locked", "folder", "empty"})
            fs::create_directory(all.path(name));
        for (auto name : {"good", "also good"})
            fs::create_symlink(probe, all.path(name) + "/" + std::string(program_name));
        fs::permissions(all.write("text/" + std::string(program_name), text), fs::perms::owner_all);
        all.write("locked/" + std::string(program_name), "");
        fs::create_directory(all.path("folder/" + std::string(program_name)));
        fs::create_symlink("loop", all.path("loop"));
        all.write("file", "");
    }

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
    strings arguments{"start"}; // with which the probe reports its start
    std::optional<std::string> arg0;
    std::optional<std::string> directory;
    strings environment; // the child's
    std::map<std::string, std::optional<std::string>> changes;
};

/// The environment of the parent: variables, a duplicate, and entries that are none.
strings const inherited{"A=1", "B=", "C=x=y", "A=2", "no variable", "=D"};

bool has_nul(std::string const& string) { return string.find('\0') != string.npos; }

bool is_entry_of(std::string const& entry, std::string const& key)
{
    return entry == key ||
           (entry.size() > key.size() && entry[key.size()] == '=' && entry.compare(0, key.size(), key) == 0);
}

void remove_entries(fuzzed& all, std::string const& key)
{
    std::erase_if(all.environment, [&](std::string const& entry) { return is_entry_of(entry, key); });
}

std::string without_slashes(std::string name)
{
    std::replace(name.begin(), name.end(), '/', '_');
    return name;
}

std::string read_folder(input& in)
{
    auto const& all = shared().all;
    switch (in.below(14)) {
    case 0: return "";
    case 1: return ".";
    case 2: return all.path("good");
    case 3: return all.path("also good");
    case 4: return all.path("text");
    case 5: return all.path("locked");
    case 6: return all.path("folder");
    case 7: return all.path("file");
    case 8: return all.path("missing");
    case 9: return all.path("loop");
    case 10: return "good";
    case 11: return all.path() + "/" + std::string(in.byte() * 20, 'x');
    case 12: return all.path() + "/./good/..//good/";
    default: return in.text();
    }
}

std::string read_path(input& in)
{
    std::string path = read_folder(in);
    for (auto count = in.below(8); count > 0; --count)
        path += ":" + read_folder(in);
    return path;
}

std::string read_program(input& in)
{
    auto const& all = shared().all;
    std::string const name(program_name);
    switch (in.below(14)) {
    default: return name;
    case 7: return all.path("good/" + name);
    case 8: return "./" + name;
    case 9: return "good/" + name;
    case 10: return "";
    case 11: return name + without_slashes(in.text());
    case 12: return read_folder(in) + "/" + name;
    case 13: return std::string("missing/") + in.text();
    }
}

std::string read_key(input& in)
{
    switch (in.below(8)) {
    case 0: return "A";
    case 1: return "B";
    case 2: return "no variable";
    case 3: return "PATH2";
    case 4:
    case 5: return "PATH";
    default: return in.text();
    }
}

// Around MAX_ARG_STRLEN (execve(2)): 32 pages, with the terminator.
std::string read_long_text(input& in)
{
    auto const limit = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) * 32;
    return std::string(limit - 3 + in.below(4), 'x');
}

void change_environment(fuzzed& all, input& in)
{
    auto const what = in.below(8);
    if (what == 0) {
        all.cmd.env_clear();
        all.environment.clear();
        all.changes.clear();
        return;
    }
    std::string const key = read_key(in);
    remove_entries(all, key);
    if (what <= 2) {
        all.cmd.env_remove(key);
        all.changes[key] = std::nullopt;
        return;
    }
    std::string const value = key == "PATH" ? read_path(in) : in.text();
    all.cmd.env(key, value);
    all.changes[key] = value;
    all.environment.push_back(key + "=" + value);
}

// A system may lack a backend, and its posix_spawn may not be able to close descriptors.
spawn_backend usable(spawn_backend backend)
{
    bool const lacks_close = backend == spawn_backend::posix_spawn && !os::find_spawn_extensions().add_close_from;
    return detail::available(backend) && !lacks_close ? backend : spawn_backend::automatic;
}

fuzzed read_command(input& in)
{
    static constexpr spawn_backend backends[] = {spawn_backend::posix_spawn, spawn_backend::vfork, spawn_backend::fork};
    fuzzed all;
    all.environment = inherited;
    all.cmd.backend(usable(backends[in.below(3)]));
    all.program = read_program(in);
    all.cmd.program(all.program).args(all.arguments);
    bool has_long_text = false;
    while (!in.empty())
        switch (in.below(8)) {
        case 0:
        case 1:
            all.arguments.push_back(in.text());
            all.cmd.arg(all.arguments.back());
            break;
        case 2:
            all.arg0 = in.text();
            all.cmd.arg0(*all.arg0);
            break;
        case 3:
            all.directory = read_folder(in);
            all.cmd.current_dir(*all.directory);
            break;
        case 4:
            if (std::exchange(has_long_text, true)) // the total size is limited, too
                break;
            all.arguments.push_back(read_long_text(in));
            all.cmd.arg(all.arguments.back());
            break;
        default: change_environment(all, in); break;
        }
    return all;
}

std::string argument_zero(fuzzed const& all) { return all.arg0.value_or(all.program); }

// The errors that are found before anything is started.
error_code error_of_text(fuzzed const& all)
{
    bool nul = has_nul(all.program) || has_nul(argument_zero(all)) || has_nul(all.directory.value_or(""));
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
    return bad_key ? error_code(errc::invalid_environment_key) : error_code();
}

bool is_too_long(strings const& all)
{
    auto const limit = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) * 32;
    return std::any_of(all.begin(), all.end(), [=](std::string const& each) { return each.size() >= limit; });
}

// The error of execve(2) in a directory.
int exec_error(fuzzed const& all, int directory, std::string const& path)
{
    struct stat status;
    if (::fstatat(directory, path.c_str(), &status, 0) < 0)
        return errno;
    if (!S_ISREG(status.st_mode) || (status.st_mode & 0111) == 0)
        return EACCES;
    if (is_too_long(all.arguments) || is_too_long(all.environment) || is_too_long({argument_zero(all), path}))
        return E2BIG;
    return status.st_size == text_size ? ENOEXEC : 0;
}

strings split_path(std::string const& path)
{
    strings entries(1);
    for (char c : path)
        if (c == ':')
            entries.emplace_back();
        else
            entries.back().push_back(c);
    return entries;
}

// The paths that execvp(3) tries.
strings candidates_of(fuzzed const& all)
{
    if (all.program.find('/') != all.program.npos)
        return {all.program};
    auto const found = std::find_if(all.environment.begin(), all.environment.end(), [](std::string const& entry) {
        return entry.compare(0, 5, "PATH=") == 0;
    });
    if (found == all.environment.end())
        return {"/bin/" + all.program, "/usr/bin/" + all.program};
    strings paths;
    auto const entries = split_path(found->substr(5));
    for (auto const& entry : entries)
        if (entry.size() + 1 + all.program.size() < PATH_MAX)
            paths.push_back(entry.empty() ? all.program : entry + "/" + all.program);
    return paths.empty() ? strings{entries.front() + "/" + all.program} : paths;
}

struct start {
    error_code error;
    std::string path; ///< That is executed.
};

start search(fuzzed const& all, int directory)
{
    int result = 0;
    for (auto const& path : candidates_of(all)) {
        int const error = exec_error(all, directory, path);
        if (error == 0)
            return {{}, path};
        if (error == E2BIG || error == ENOEXEC)
            return {make_error_code(spawn_stage::exec, error), {}};
        if (result == 0 || error == EACCES)
            result = error;
    }
    return {make_error_code(spawn_stage::exec, result), {}};
}

start expected_start(fuzzed const& all)
{
    if (auto const error = error_of_text(all); error.failed())
        return {error, {}};
    os::unique_fd directory;
    if (all.directory) {
        directory.reset(::open(all.directory->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory)
            return {make_error_code(spawn_stage::directory, errno), {}};
    }
    return search(all, directory ? directory.get() : AT_FDCWD);
}

void check_report(fuzzed const& all, std::string const& path, std::string const& report)
{
    strings expected{path, std::to_string(all.arguments.size() + 1), argument_zero(all)};
    expected.insert(expected.end(), all.arguments.begin(), all.arguments.end());
    strings const found = split_strings(report);
    expect(found.size() >= expected.size(), "the report is too short: " + report);
    auto const environment_start = found.begin() + static_cast<std::ptrdiff_t>(expected.size());
    expect(std::equal(expected.begin(), expected.end(), found.begin()), "the child has other arguments: " + report);
    strings variables(environment_start, found.end()), wanted = all.environment;
    std::sort(variables.begin(), variables.end());
    std::sort(wanted.begin(), wanted.end());
    expect(variables == wanted, "the child has another environment: " + report);
}

// The lowest free descriptor: it changes if one leaks.
int lowest_free()
{
    os::unique_fd const fd(::fcntl(0, F_DUPFD_CLOEXEC, 3));
    return fd.get();
}

} // namespace

void check_command(std::string_view bytes)
{
    shared();
    input in(bytes);
    bool const waits_here = in.flag();
    fuzzed all = read_command(in);
    start const expected = expected_start(all);
    int const free = lowest_free();
    {
        int ends[2];
        expect(::pipe2(ends, O_CLOEXEC) == 0, "no pipe");
        os::unique_fd const report(ends[0]);
        os::unique_fd child_end(ends[1]);
        all.cmd.out(stdio::fd(child_end.get()));
        error_code error;
        boost::asio::io_context context;
        child running(context.get_executor());
        {
            parent_environment const replaced(inherited);
            if (waits_here) {
                auto spawned = spawn(context, all.cmd);
                if (spawned)
                    running = std::move(spawned).value();
                else
                    error = spawned.error();
            } else {
                async_spawn(context, all.cmd, [&](error_code ec, child spawned) {
                    error = ec;
                    running = std::move(spawned);
                });
                context.run();
            }
        }
        child_end.reset();
        expect(
            error == expected.error, "expected \"" + expected.error.message() + "\", not \"" + error.message() + "\"");
        std::string const reported = read_to_end(report.get());
        if (error.failed())
            expect(reported.empty(), "a child has run although its start has failed");
        else {
            auto const status = running.wait();
            expect(status && status.value().success(), "the child has failed");
            check_report(all, expected.path, reported);
        }
    }
    expect(::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD, "a child is left");
    expect(lowest_free() == free, "a descriptor is left");
}

} // namespace test::fuzz
