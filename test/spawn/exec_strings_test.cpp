// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <optional>
#include <utility>

#include <unistd.h>

extern char** environ; // macOS does not declare it

using namespace brood;
using namespace test;

namespace {

using strings = std::vector<std::string>;

// The arguments or the environment of a child. The probe prints each string with a terminating NUL byte.
strings strings_of(command const& cmd) { return split(output_of_now(cmd), '\0'); }

strings sorted(strings all)
{
    std::sort(all.begin(), all.end());
    return all;
}

strings parent_environment()
{
    strings all;
    for (char** entry = environ; *entry; ++entry)
        all.emplace_back(*entry);
    return all;
}

// Every byte that an argument or a variable can contain.
std::string all_bytes(std::string_view except = "")
{
    std::string bytes;
    for (int byte = 1; byte < 256; ++byte)
        if (except.find(static_cast<char>(byte)) == except.npos)
            bytes.push_back(static_cast<char>(byte));
    return bytes;
}

// Sets an environment variable of this process and restores it.
class scoped_variable {
public:
    scoped_variable(std::string key, std::string const& value) : key_(std::move(key))
    {
        if (char const* before = ::getenv(key_.c_str()))
            before_ = before;
        ::setenv(key_.c_str(), value.c_str(), 1);
    }
    ~scoped_variable()
    {
        if (before_)
            ::setenv(key_.c_str(), before_->c_str(), 1);
        else
            ::unsetenv(key_.c_str());
    }
    scoped_variable(scoped_variable const&) = delete;
    scoped_variable& operator=(scoped_variable const&) = delete;

private:
    std::string key_;
    std::optional<std::string> before_;
};

// Changes the current directory of this process and restores it.
class scoped_directory {
public:
    explicit scoped_directory(std::string const& folder) : before_(std::filesystem::current_path())
    {
        std::filesystem::current_path(folder);
    }
    ~scoped_directory() { std::filesystem::current_path(before_); }
    scoped_directory(scoped_directory const&) = delete;
    scoped_directory& operator=(scoped_directory const&) = delete;

private:
    std::filesystem::path before_;
};

// Replaces the environment of this process and restores it.
class scoped_environment {
public:
    explicit scoped_environment(char** entries) : before_(std::exchange(environ, entries)) {}
    ~scoped_environment() { environ = before_; }
    scoped_environment(scoped_environment const&) = delete;
    scoped_environment& operator=(scoped_environment const&) = delete;

private:
    char** before_;
};

// A directory for PATH. Its programs are links to the probe.
class program_folder : public scratch_folder {
public:
    std::string add(std::string const& name) const
    {
        std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
        std::filesystem::create_symlink(std::filesystem::absolute(probe_path()), path(name));
        return path(name);
    }
};

// A command whose program is searched in the given PATH.
command search_command(backend_config const& config, std::string_view program, std::string_view path)
{
    command cmd(program, "arguments", "found");
    cmd.backend(config.backend).watcher(config.watcher).env("PATH", path);
    return cmd;
}

strings const found{"found"};

// The error of a spawn that must fail and leave no descriptor.
error_code spawn_error(command const& cmd)
{
    leak_check const leaks;
    asio::io_context context;
    auto const child = spawn(context, cmd);
    CHECK_FALSE(child);
    return child ? error_code() : child.error();
}

void check_exec_fails(command const& cmd, std::errc expected)
{
    auto const ec = spawn_error(cmd);
    CAPTURE(ec.message());
    CHECK(ec == expected);
    CHECK(stage_of(ec) == spawn_stage::exec);
}

} // namespace

TEST_SUITE_BEGIN("exec_strings");

TEST_CASE("arguments: can contain every byte except NUL, or nothing")
{
    strings const sent{
        "",
        "a b",
        "",
        "\n",
        all_bytes(),
        "'\"$(x)`*?\\",
        "-n",
        "--",
        "=",
        "é",
        "\xff\xfe\x80",
        "%s",
        "",
        std::string(100'000, 'x'),
        ""};
    for_each_backend([&](backend_config const& config) {
        auto cmd = probe(config, "arguments");
        CHECK(strings_of(cmd.args(sent)) == sent);
        CHECK(strings_of(probe(config, "arguments")).empty());
        CHECK(strings_of(probe(config, "arguments", "")) == strings{""});
    });
}

TEST_CASE("arguments: thousands keep their order")
{
    strings sent;
    for (int i = 0; i < 10'000; ++i)
        sent.push_back(std::to_string(i));
    for_each_backend([&](backend_config const& config) {
        auto cmd = probe(config, "arguments");
        CHECK(strings_of(cmd.args(sent)) == sent);
    });
}

TEST_CASE("arguments: argv[0] is the program or the value of arg0")
{
    program_folder folder;
    folder.add("tool");
    for_each_backend([&](backend_config const& config) {
        CHECK(output_of_now(probe(config, "name")) == probe_path());
        command by_name("tool", "name");
        by_name.backend(config.backend).env("PATH", folder.path());
        CHECK(output_of_now(by_name) == "tool");
        for (std::string const name : {"another", "", "/not/there", "-sh", "a b"}) {
            CAPTURE(name);
            CHECK(output_of_now(probe(config, "name").arg0(name)) == name);
            CHECK(output_of_now(command(by_name).arg0(name)) == name);
        }
    });
}

TEST_CASE("environment: keys and values can contain every byte except NUL")
{
    std::string const key = all_bytes("=");
    for_each_backend([&](backend_config const& config) {
        auto cmd = probe(config, "environment");
        cmd.env_clear().env(key, all_bytes()).env("EMPTY", "").env("LONG", std::string(100'000, 'x'));
        CHECK(
            sorted(strings_of(cmd)) ==
            sorted({key + "=" + all_bytes(), "EMPTY=", "LONG=" + std::string(100'000, 'x')}));
    });
}

TEST_CASE("environment: defaults to the parent's at the time of the spawn")
{
    for_each_backend([&](backend_config const& config) {
        auto const cmd = probe(config, "environment");
        CHECK(strings_of(cmd) == parent_environment());
        strings before, after;
        {
            scoped_variable const added("BROOD_TEST_ADDED", "since");
            before = strings_of(cmd);
            CHECK(before == parent_environment());
        }
        after = strings_of(cmd);
        CHECK(after == parent_environment());
        CHECK(before != after);
    });
}

TEST_CASE("environment: a cleared environment has only what is set later")
{
    for_each_backend([&](backend_config const& config) {
        auto cmd = probe(config, "environment");
        CHECK(strings_of(cmd.env("LOST", "1").env_clear()).empty());
        CHECK(strings_of(cmd.env("KEPT", "2")) == strings{"KEPT=2"});
    });
}

TEST_CASE("environment: variables are set, overridden, removed and set again")
{
    scoped_variable const first("BROOD_TEST_A", "parent's");
    scoped_variable const second("BROOD_TEST_B", "parent's");
    strings others; // without BROOD_TEST_A
    for (auto const& entry : parent_environment())
        if (!entry.starts_with("BROOD_TEST_A="))
            others.push_back(entry);
    auto const others_and = [&](std::string const& entry) {
        strings all = others;
        all.push_back(entry);
        return sorted(all);
    };
    for_each_backend([&](backend_config const& config) {
        auto const environment_after = [&](auto change) {
            auto cmd = probe(config, "environment");
            change(cmd);
            return sorted(strings_of(cmd));
        };
        std::string_view const a = "BROOD_TEST_A";
        CHECK(environment_after([&](command& cmd) { cmd.env(a, "changed"); }) == others_and("BROOD_TEST_A=changed"));
        CHECK(environment_after([&](command& cmd) { cmd.env(a, ""); }) == others_and("BROOD_TEST_A="));
        CHECK(environment_after([&](command& cmd) { cmd.env_remove(a); }) == sorted(others));
        CHECK(environment_after([&](command& cmd) {
                  cmd.env_remove(a).env(a, "again");
              }) == others_and("BROOD_TEST_A=again"));
        CHECK(environment_after([&](command& cmd) { cmd.env(a, "removed").env_remove(a); }) == sorted(others));
        CHECK(environment_after([&](command& cmd) { cmd.env(a, "1").env(a, "2"); }) == others_and("BROOD_TEST_A=2"));
        CHECK(environment_after([&](command& cmd) {
                  cmd.env_remove("BROOD_TEST");
              }) == others_and("BROOD_TEST_A=parent's"));
    });
}

TEST_CASE("environment: inherited entries without '=' are tolerated")
{
    std::string loose = "loose", odd = "=odd", empty, a = "A=1", b = "B=2";
    char* entries[] = {loose.data(), a.data(), odd.data(), empty.data(), b.data(), nullptr};
    for_each_backend([&](backend_config const& config) {
        auto const cmd = probe(config, "environment");
        strings unchanged, changed;
        {
            scoped_environment const replaced(entries);
            unchanged = strings_of(cmd);
            changed = strings_of(command(cmd).env("C", "3").env_remove("A"));
        }
        auto const has = [](strings const& all, std::string_view entry) {
            return std::find(all.begin(), all.end(), entry) != all.end();
        };
        CHECK(has(unchanged, "A=1"));
        CHECK(has(unchanged, "B=2"));
        CHECK_FALSE(has(changed, "A=1"));
        CHECK(has(changed, "B=2"));
        CHECK(has(changed, "C=3"));
    });
}

TEST_CASE("environment: a parent without an environment starts a child without variables")
{
    for_each_backend([&](backend_config const& config) {
        auto const cmd = probe(config, "environment");
        strings empty, added;
        {
            scoped_environment const replaced(nullptr);
            empty = strings_of(cmd);
            added = strings_of(command(cmd).env("A", "1"));
        }
        CHECK(empty.empty());
        CHECK(added == strings{"A=1"});
    });
}

TEST_CASE("program search: uses the child's PATH, not the parent's")
{
    program_folder child_folder, parent_folder;
    child_folder.add("brood-tool-c");
    parent_folder.add("brood-tool-p");
    scoped_variable const path("PATH", parent_folder.path());
    for_each_backend([&](backend_config const& config) {
        CHECK(strings_of(search_command(config, "brood-tool-c", child_folder.path())) == found);
        check_exec_fails(
            search_command(config, "brood-tool-p", child_folder.path()), std::errc::no_such_file_or_directory);

        command inheriting("brood-tool-p", "arguments", "found");
        inheriting.backend(config.backend);
        CHECK(strings_of(inheriting) == found);
        check_exec_fails(command(inheriting).env_clear(), std::errc::no_such_file_or_directory);
        check_exec_fails(command(inheriting).env_remove("PATH"), std::errc::no_such_file_or_directory);
        CHECK(strings_of(command(inheriting).env_clear().env("PATH", parent_folder.path())) == found);
    });
}

TEST_CASE("program search: reads the parent's PATH at the spawn")
{
    program_folder folder;
    folder.add("brood-tool");
    for_each_backend([&](backend_config const& config) {
        command cmd("brood-tool", "arguments", "found");
        cmd.backend(config.backend);
        check_exec_fails(cmd, std::errc::no_such_file_or_directory);
        {
            scoped_variable const path("PATH", folder.path());
            CHECK(strings_of(cmd) == found);
        }
        check_exec_fails(cmd, std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("program search: skipped if the program contains a slash")
{
    program_folder folder;
    auto const tool = folder.add("tool");
    for_each_backend([&](backend_config const& config) {
        CHECK(strings_of(search_command(config, tool, "/nowhere")) == found);
        CHECK(strings_of(search_command(config, tool, "")) == found);
        check_exec_fails(search_command(config, "./tool", folder.path()), std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("program search: missing and unusable entries are skipped")
{
    program_folder good;
    good.add("tool");
    scratch_folder bad;
    std::filesystem::create_directories(bad.path("forbidden"));
    bad.write("forbidden/tool", "#!/bin/sh\n", 0644);
    std::filesystem::create_directories(bad.path("folder/tool"));
    std::filesystem::create_directories(bad.path("loop"));
    std::filesystem::create_symlink("tool", bad.path("loop/tool"));
    std::filesystem::create_directories(bad.path("dangling"));
    std::filesystem::create_symlink("nowhere", bad.path("dangling/tool"));
    std::filesystem::create_directories(bad.path("script"));
    bad.write("script/tool", "#!/nowhere/at/all\n", 0755);
    bad.write("file", "");
    struct {
        std::string_view name;
        std::string entry;
        std::errc error; // if PATH has no other entry
    } const rows[] = {
        {"missing directory", bad.path("missing"), std::errc::no_such_file_or_directory},
        {"directory without the program", "/", std::errc::no_such_file_or_directory},
        {"file", bad.path("file"), std::errc::not_a_directory},
        {"file without execute permission", bad.path("forbidden"), std::errc::permission_denied},
        {"directory with the name of the program", bad.path("folder"), std::errc::permission_denied},
        {"link to itself", bad.path("loop"), std::errc::too_many_symbolic_link_levels},
        {"link to a missing file", bad.path("dangling"), std::errc::no_such_file_or_directory},
        {"script with a missing interpreter", bad.path("script"), std::errc::no_such_file_or_directory},
        {"name that is too long", "/" + std::string(NAME_MAX + 1, 'x'), std::errc::filename_too_long},
    };
    for_each_backend([&](backend_config const& config) {
        for (auto const& row : rows) {
            CAPTURE(row.name);
            CHECK(strings_of(search_command(config, "tool", row.entry + ":" + good.path())) == found);
            check_exec_fails(search_command(config, "tool", row.entry), row.error);
        }
    });
}

TEST_CASE("program search: the first executable program is started")
{
    program_folder first, second;
    first.add("tool");
    second.write("tool", "#!/nowhere/at/all\n", 0755);
    for_each_backend([&](backend_config const& config) {
        CHECK(strings_of(search_command(config, "tool", first.path() + ":" + second.path())) == found);
        CHECK(strings_of(search_command(config, "tool", second.path() + ":" + first.path())) == found);
    });
}

TEST_CASE("program search: permission_denied takes precedence over a missing program")
{
    scratch_folder folder;
    std::filesystem::create_directories(folder.path("denied"));
    folder.write("denied/tool", "#!/bin/sh\n", 0644);
    std::filesystem::create_directories(folder.path("folder/tool"));
    for_each_backend([&](backend_config const& config) {
        for (std::string const denied : {"denied", "folder"}) {
            CAPTURE(denied);
            auto const entry = folder.path(denied);
            check_exec_fails(search_command(config, "tool", entry + ":/nowhere"), std::errc::permission_denied);
            check_exec_fails(search_command(config, "tool", "/nowhere:" + entry), std::errc::permission_denied);
            check_exec_fails(search_command(config, "tool", "/nowhere:" + entry + ":/"), std::errc::permission_denied);
        }
        check_exec_fails(search_command(config, "tool", "/nowhere:/"), std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("program search: ends at a program of unknown format and starts no shell")
{
    program_folder good;
    good.add("tool");
    scratch_folder odd;
    odd.write("tool", "touch " + odd.path("touched") + "\n", 0755);
    for_each_backend([&](backend_config const& config) {
        check_exec_fails(
            search_command(config, "tool", odd.path() + ":" + good.path()), std::errc::executable_format_error);
        CHECK_FALSE(std::filesystem::exists(odd.path("touched")));
        CHECK(strings_of(search_command(config, "tool", good.path() + ":" + odd.path())) == found);
    });
}

TEST_CASE("program search: an empty PATH or entry means the child's directory")
{
    program_folder folder;
    folder.add("brood-tool");
    for_each_backend([&](backend_config const& config) {
        for (std::string const path : {"", ":", ":/nowhere", "/nowhere:", "/nowhere::/"}) {
            CAPTURE(path);
            auto cmd = search_command(config, "brood-tool", path);
            check_exec_fails(cmd, std::errc::no_such_file_or_directory);
            CHECK(strings_of(cmd.current_dir(folder.path())) == found);
            scoped_directory const parent(folder.path());
            CHECK(strings_of(search_command(config, "brood-tool", path)) == found);
            check_exec_fails(cmd.current_dir("/"), std::errc::no_such_file_or_directory);
        }
        check_exec_fails(
            search_command(config, "brood-tool", "/nowhere:/").current_dir(folder.path()),
            std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("program search: a relative entry is resolved in the child's directory")
{
    program_folder folder;
    folder.add("bin/brood-tool");
    for_each_backend([&](backend_config const& config) {
        for (std::string const path : {"bin", "./bin", "nowhere:bin"}) {
            CAPTURE(path);
            auto cmd = search_command(config, "brood-tool", path);
            CHECK(strings_of(cmd.current_dir(folder.path())) == found);
            scoped_directory const parent(folder.path());
            CHECK(strings_of(search_command(config, "brood-tool", path)) == found);
            check_exec_fails(cmd.current_dir("/"), std::errc::no_such_file_or_directory);
        }
    });
}

TEST_CASE("program search: the system's default is searched without PATH")
{
    for_each_backend([&](backend_config const& config) {
        asio::io_context context;
        command cmd("true");
        cmd.backend(config.backend).env_remove("PATH");
        for (auto const& variant : {cmd, command(cmd).env_clear()}) {
            auto child = spawn(context, variant);
            REQUIRE(child);
            CHECK(child.value().wait().value().success());
        }
        command local("brood-tool");
        program_folder folder; // the default PATH does not contain the current directory
        folder.add("brood-tool");
        local.backend(config.backend).env_remove("PATH").current_dir(folder.path());
        check_exec_fails(local, std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("program path: a relative path is resolved in the child's directory")
{
    program_folder folder;
    folder.add("tool");
    folder.add("sub/tool2");
    for_each_backend([&](backend_config const& config) {
        auto const in = [&](std::string_view program, std::string_view directory) {
            return search_command(config, program, "/nowhere").current_dir(directory);
        };
        CHECK(strings_of(in("./tool", folder.path())) == found);
        CHECK(strings_of(in("sub/tool2", folder.path())) == found);
        CHECK(strings_of(in("../tool", folder.path("sub"))) == found);
        check_exec_fails(in("./tool", "/"), std::errc::no_such_file_or_directory);

        scoped_directory const parent(folder.path()); // in which the relative path exists
        CHECK(strings_of(search_command(config, "./tool", "/nowhere")) == found);
        check_exec_fails(in("./tool", "/"), std::errc::no_such_file_or_directory);
        check_exec_fails(in("./tool", "sub"), std::errc::no_such_file_or_directory);
        CHECK(strings_of(in("./tool2", "sub")) == found);
    });
}

TEST_CASE("current_dir: defaults to the parent's directory")
{
    scratch_folder folder;
    std::filesystem::create_directories(folder.path("a b/c"));
    for_each_backend([&](backend_config const& config) {
        auto const directory_in = [&](std::string_view directory) {
            auto cmd = probe(config, "directory");
            return output_of_now(cmd.current_dir(directory));
        };
        CHECK(directory_in("/") == "/");
        CHECK(directory_in(folder.path("a b/c")) == folder.path("a b/c"));
        CHECK(directory_in(folder.path("a b/c/..")) == folder.path("a b"));
        scoped_directory const parent(folder.path());
        CHECK(directory_in("a b") == folder.path("a b"));
        CHECK(directory_in(".") == folder.path());
        CHECK(output_of_now(probe(config, "directory")) == folder.path());
    });
}

TEST_CASE("program search: entries that are too long are skipped")
{
    program_folder good;
    good.add("tool");
    std::string const entry = "/" + std::string(2 * PATH_MAX, 'x');
    for_each_backend([&](backend_config const& config) {
        CHECK(strings_of(search_command(config, "tool", entry + ":" + good.path())) == found);
        CHECK(strings_of(search_command(config, "tool", good.path() + ":" + entry)) == found);
        CHECK(strings_of(search_command(config, "tool", entry + ":" + good.path() + ":" + entry)) == found);
    });
}

TEST_CASE("program search: a thousand entries are searched to the end")
{
    program_folder good;
    good.add("tool");
    std::string path = "/nowhere";
    for (int i = 0; i < 1000; ++i)
        path += ":/nowhere/" + std::string(80, 'x') + std::to_string(i);
    for_each_backend([&](backend_config const& config) {
        CHECK(strings_of(search_command(config, "tool", path + ":" + good.path())) == found);
        check_exec_fails(search_command(config, "tool", path), std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("program search: the current directory is not searched if every entry is too long")
{
    program_folder folder;
    folder.add("tool");
    std::string const entry = "/" + std::string(2 * PATH_MAX, 'x');
    scoped_directory const parent(folder.path());
    for_each_backend([&](backend_config const& config) {
        for (std::string const& path : {entry, entry + ":" + entry}) {
            CAPTURE(path.size());
            auto const ec = spawn_error(search_command(config, "tool", path));
            bool const expected = ec == std::errc::no_such_file_or_directory || ec == std::errc::filename_too_long;
            CHECK(expected);
            CHECK(stage_of(ec) == spawn_stage::exec);
        }
    });
}

TEST_CASE("program search: a name that is too long fails with filename_too_long")
{
    for_each_backend([&](backend_config const& config) {
        for (std::size_t const size : {std::size_t(NAME_MAX + 1), std::size_t(2 * PATH_MAX)}) {
            CAPTURE(size);
            std::string const name(size, 'x');
            check_exec_fails(search_command(config, name, "/:/nowhere"), std::errc::filename_too_long);
            check_exec_fails(search_command(config, "/" + name, "/"), std::errc::filename_too_long);
        }
    });
}

TEST_CASE("PATH: all backends report the same error for odd entries")
{
    scratch_folder folder;
    auto const file = folder.write("file", "");
    std::filesystem::create_directory(folder.path("locked"));
    auto const long_name = "/" + std::string(300, 'x');
    for (auto const& path :
         {file + ":/nowhere", "/nowhere:" + file, file, std::string("/nowhere"), long_name + ":/nowhere",
          "/nowhere:" + long_name, std::string(), std::string(":")}) {
        CAPTURE(path);
        std::vector<error_code> errors;
        for_each_backend([&](backend_config const& config) {
            command cmd("brood-test-missing");
            cmd.env("PATH", path).backend(config.backend);
            errors.push_back(failure_of(cmd));
        });
        for (auto const& error : errors)
            CHECK(error == errors.front());
    }
}

TEST_SUITE_END();
