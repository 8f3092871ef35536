// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <optional>
#include <utility>

#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

using strings = std::vector<std::string>;

// What a child says of its arguments or its environment: each string ends with a NUL byte.
strings told_by(command const& cmd) { return split(output_of_now(cmd), '\0'); }

strings sorted(strings all)
{
    std::sort(all.begin(), all.end());
    return all;
}

strings parents_environment()
{
    strings all;
    for (char** entry = environ; *entry; ++entry)
        all.emplace_back(*entry);
    return all;
}

// All bytes that a string of the child's may hold.
std::string all_bytes(std::string_view but = "")
{
    std::string bytes;
    for (int byte = 1; byte < 256; ++byte)
        if (but.find(static_cast<char>(byte)) == but.npos)
            bytes.push_back(static_cast<char>(byte));
    return bytes;
}

// A variable of this process's, until the end of the scope.
class variable {
public:
    variable(std::string key, std::string const& value) : key_(std::move(key))
    {
        if (char const* before = ::getenv(key_.c_str()))
            before_ = before;
        ::setenv(key_.c_str(), value.c_str(), 1);
    }
    ~variable()
    {
        if (before_)
            ::setenv(key_.c_str(), before_->c_str(), 1);
        else
            ::unsetenv(key_.c_str());
    }
    variable(variable const&) = delete;
    variable& operator=(variable const&) = delete;

private:
    std::string key_;
    std::optional<std::string> before_;
};

// This process's directory, until the end of the scope.
class inside {
public:
    explicit inside(std::string const& folder) : before_(std::filesystem::current_path())
    {
        std::filesystem::current_path(folder);
    }
    ~inside() { std::filesystem::current_path(before_); }
    inside(inside const&) = delete;
    inside& operator=(inside const&) = delete;

private:
    std::filesystem::path before_;
};

// This process's whole environment, until the end of the scope.
class environment_block {
public:
    explicit environment_block(char** entries) : before_(std::exchange(environ, entries)) {}
    ~environment_block() { environ = before_; }
    environment_block(environment_block const&) = delete;
    environment_block& operator=(environment_block const&) = delete;

private:
    char** before_;
};

// A folder for PATH, whose programs are the probe.
class program_folder : public scratch_folder {
public:
    std::string add(std::string const& name) const
    {
        std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
        std::filesystem::create_symlink(std::filesystem::absolute(probe_path()), path(name));
        return path(name);
    }
};

// A command by one way, with a PATH of its own.
command searched(way const& w, std::string_view program, std::string_view path)
{
    command cmd(program, "arguments", "found");
    cmd.backend(w.backend).reaper(w.reaper).env("PATH", path);
    return cmd;
}

strings const found{"found"};

// The error of a spawn that must fail, and leave nothing.
error_code refusal(command const& cmd)
{
    leaves_nothing guard;
    asio::io_context context;
    auto const started = spawn(context, cmd);
    CHECK_FALSE(started);
    return started ? error_code() : started.error();
}

void check_exec_fails(command const& cmd, std::errc with)
{
    auto const ec = refusal(cmd);
    CAPTURE(ec.message());
    CHECK(ec == with);
    CHECK(stage_of(ec) == spawn_stage::exec);
}

} // namespace

TEST_SUITE_BEGIN("arguments");

TEST_CASE("every byte but NUL arrives in an argument, and empty arguments stay")
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
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto cmd = probe(w, "arguments");
        CHECK(told_by(cmd.args(sent)) == sent);
        CHECK(told_by(probe(w, "arguments")).empty());
        CHECK(told_by(probe(w, "arguments", "")) == strings{""});
    }
}

TEST_CASE("thousands of arguments arrive in order")
{
    strings sent;
    for (int i = 0; i < 10'000; ++i)
        sent.push_back(std::to_string(i));
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto cmd = probe(w, "arguments");
        CHECK(told_by(cmd.args(sent)) == sent);
    }
}

TEST_CASE("argv[0] is the program as given, or what arg0 says")
{
    program_folder folder;
    folder.add("tool");
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        CHECK(output_of_now(probe(w, "name")) == probe_path());
        command by_name("tool", "name");
        by_name.backend(w.backend).env("PATH", folder.path());
        CHECK(output_of_now(by_name) == "tool");
        for (std::string const name : {"another", "", "/not/there", "-sh", "a b"}) {
            CAPTURE(name);
            CHECK(output_of_now(probe(w, "name").arg0(name)) == name);
            CHECK(output_of_now(command(by_name).arg0(name)) == name);
        }
    }
}

TEST_CASE("every byte but NUL arrives in the environment")
{
    std::string const key = all_bytes("=");
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto cmd = probe(w, "environment");
        cmd.env_clear().env(key, all_bytes()).env("EMPTY", "").env("LONG", std::string(100'000, 'x'));
        CHECK(sorted(told_by(cmd)) == sorted({key + "=" + all_bytes(), "EMPTY=", "LONG=" + std::string(100'000, 'x')}));
    }
}

TEST_CASE("without changes the child has the parent's environment as of the spawn")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto const cmd = probe(w, "environment");
        CHECK(told_by(cmd) == parents_environment());
        strings with, without;
        {
            variable added("BROOD_TEST_ADDED", "since");
            with = told_by(cmd);
            CHECK(with == parents_environment());
        }
        without = told_by(cmd);
        CHECK(without == parents_environment());
        CHECK(with != without);
    }
}

TEST_CASE("a cleared environment is empty, but for what is set after")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto cmd = probe(w, "environment");
        CHECK(told_by(cmd.env("LOST", "1").env_clear()).empty());
        CHECK(told_by(cmd.env("KEPT", "2")) == strings{"KEPT=2"});
    }
}

TEST_CASE("variables are set, overridden, removed, and set again")
{
    variable one("BROOD_TEST_A", "parent's");
    variable two("BROOD_TEST_B", "parent's");
    strings others; // than A
    for (auto const& entry : parents_environment())
        if (!entry.starts_with("BROOD_TEST_A="))
            others.push_back(entry);
    auto const and_a = [&](std::string const& entry) {
        strings all = others;
        all.push_back(entry);
        return sorted(all);
    };
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto const told = [&](auto change) {
            auto cmd = probe(w, "environment");
            change(cmd);
            return sorted(told_by(cmd));
        };
        std::string_view const a = "BROOD_TEST_A";
        CHECK(told([&](command& cmd) { cmd.env(a, "ours"); }) == and_a("BROOD_TEST_A=ours"));
        CHECK(told([&](command& cmd) { cmd.env(a, ""); }) == and_a("BROOD_TEST_A="));
        CHECK(told([&](command& cmd) { cmd.env_remove(a); }) == sorted(others));
        CHECK(told([&](command& cmd) { cmd.env_remove(a).env(a, "again"); }) == and_a("BROOD_TEST_A=again"));
        CHECK(told([&](command& cmd) { cmd.env(a, "gone").env_remove(a); }) == sorted(others));
        CHECK(told([&](command& cmd) { cmd.env(a, "1").env(a, "2"); }) == and_a("BROOD_TEST_A=2"));
        CHECK(told([&](command& cmd) { cmd.env_remove("BROOD_TEST"); }) == and_a("BROOD_TEST_A=parent's"));
    }
}

TEST_CASE("an inherited entry without '=' does no harm")
{
    std::string loose = "loose", odd = "=odd", empty, a = "A=1", b = "B=2";
    char* entries[] = {loose.data(), a.data(), odd.data(), empty.data(), b.data(), nullptr};
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto const cmd = probe(w, "environment");
        strings as_is, changed;
        {
            environment_block replaced(entries);
            as_is = told_by(cmd);
            changed = told_by(command(cmd).env("C", "3").env_remove("A"));
        }
        auto const has = [](strings const& all, std::string_view entry) {
            return std::find(all.begin(), all.end(), entry) != all.end();
        };
        CHECK(has(as_is, "A=1"));
        CHECK(has(as_is, "B=2"));
        CHECK_FALSE(has(changed, "A=1"));
        CHECK(has(changed, "B=2"));
        CHECK(has(changed, "C=3"));
    }
}

TEST_CASE("a parent without any environment starts a child without one")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto const cmd = probe(w, "environment");
        strings nothing, added;
        {
            environment_block replaced(nullptr);
            nothing = told_by(cmd);
            added = told_by(command(cmd).env("A", "1"));
        }
        CHECK(nothing.empty());
        CHECK(added == strings{"A=1"});
    }
}

TEST_CASE("the child's PATH decides, not the parent's")
{
    program_folder childs, parents;
    childs.add("brood-tool-c");
    parents.add("brood-tool-p");
    variable path("PATH", parents.path());
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        CHECK(told_by(searched(w, "brood-tool-c", childs.path())) == found);
        check_exec_fails(searched(w, "brood-tool-p", childs.path()), std::errc::no_such_file_or_directory);

        command as_parent("brood-tool-p", "arguments", "found");
        as_parent.backend(w.backend);
        CHECK(told_by(as_parent) == found);
        check_exec_fails(command(as_parent).env_clear(), std::errc::no_such_file_or_directory);
        check_exec_fails(command(as_parent).env_remove("PATH"), std::errc::no_such_file_or_directory);
        CHECK(told_by(command(as_parent).env_clear().env("PATH", parents.path())) == found);
    }
}

TEST_CASE("the parent's PATH is the one at the spawn")
{
    program_folder folder;
    folder.add("brood-tool");
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        command cmd("brood-tool", "arguments", "found");
        cmd.backend(w.backend);
        check_exec_fails(cmd, std::errc::no_such_file_or_directory);
        {
            variable path("PATH", folder.path());
            CHECK(told_by(cmd) == found);
        }
        check_exec_fails(cmd, std::errc::no_such_file_or_directory);
    }
}

TEST_CASE("a program with a slash is not looked up")
{
    program_folder folder;
    auto const tool = folder.add("tool");
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        CHECK(told_by(searched(w, tool, "/nowhere")) == found);
        CHECK(told_by(searched(w, tool, "")) == found);
        check_exec_fails(searched(w, "./tool", folder.path()), std::errc::no_such_file_or_directory);
    }
}

TEST_CASE("entries of PATH that are not there, or can't be executed, are skipped")
{
    program_folder good;
    good.add("tool");
    scratch_folder bad;
    std::filesystem::create_directories(bad.path("forbidden"));
    bad.write("forbidden/tool", "#!/bin/sh\n", 0644);
    std::filesystem::create_directories(bad.path("folder/tool"));
    std::filesystem::create_directories(bad.path("circle"));
    std::filesystem::create_symlink("tool", bad.path("circle/tool"));
    std::filesystem::create_directories(bad.path("dangling"));
    std::filesystem::create_symlink("nowhere", bad.path("dangling/tool"));
    std::filesystem::create_directories(bad.path("orphan"));
    bad.write("orphan/tool", "#!/nowhere/at/all\n", 0755);
    bad.write("file", "");
    struct {
        std::string_view what;
        std::string entry;
        std::errc alone;
    } const rows[] = {
        {"missing folder", bad.path("missing"), std::errc::no_such_file_or_directory},
        {"folder without it", "/", std::errc::no_such_file_or_directory},
        {"file that is no folder", bad.path("file"), std::errc::not_a_directory},
        {"file that may not be executed", bad.path("forbidden"), std::errc::permission_denied},
        {"folder of that name", bad.path("folder"), std::errc::permission_denied},
        {"link in a circle", bad.path("circle"), std::errc::too_many_symbolic_link_levels},
        {"link to nowhere", bad.path("dangling"), std::errc::no_such_file_or_directory},
        {"script without its interpreter", bad.path("orphan"), std::errc::no_such_file_or_directory},
        {"name too long for a folder", "/" + std::string(NAME_MAX + 1, 'x'), std::errc::filename_too_long},
    };
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        for (auto const& row : rows) {
            CAPTURE(row.what);
            CHECK(told_by(searched(w, "tool", row.entry + ":" + good.path())) == found);
            check_exec_fails(searched(w, "tool", row.entry), row.alone);
        }
    }
}

TEST_CASE("the first program that can be executed is the one")
{
    program_folder first, second;
    first.add("tool");
    second.write("tool", "#!/nowhere/at/all\n", 0755);
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        CHECK(told_by(searched(w, "tool", first.path() + ":" + second.path())) == found);
        CHECK(told_by(searched(w, "tool", second.path() + ":" + first.path())) == found);
    }
}

TEST_CASE("a denied program says more than a missing one")
{
    scratch_folder folder;
    std::filesystem::create_directories(folder.path("denied"));
    folder.write("denied/tool", "#!/bin/sh\n", 0644);
    std::filesystem::create_directories(folder.path("folder/tool"));
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        for (std::string const denied : {"denied", "folder"}) {
            CAPTURE(denied);
            auto const entry = folder.path(denied);
            check_exec_fails(searched(w, "tool", entry + ":/nowhere"), std::errc::permission_denied);
            check_exec_fails(searched(w, "tool", "/nowhere:" + entry), std::errc::permission_denied);
            check_exec_fails(searched(w, "tool", "/nowhere:" + entry + ":/"), std::errc::permission_denied);
        }
        check_exec_fails(searched(w, "tool", "/nowhere:/"), std::errc::no_such_file_or_directory);
    }
}

TEST_CASE("a program of an unknown format ends the search, and no shell is tried")
{
    program_folder good;
    good.add("tool");
    scratch_folder odd;
    odd.write("tool", "touch " + odd.path("touched") + "\n", 0755);
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        check_exec_fails(searched(w, "tool", odd.path() + ":" + good.path()), std::errc::executable_format_error);
        CHECK_FALSE(std::filesystem::exists(odd.path("touched")));
        CHECK(told_by(searched(w, "tool", good.path() + ":" + odd.path())) == found);
    }
}

TEST_CASE("an empty PATH, or an empty entry, is the child's directory")
{
    program_folder folder;
    folder.add("brood-tool");
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        for (std::string const path : {"", ":", ":/nowhere", "/nowhere:", "/nowhere::/"}) {
            CAPTURE(path);
            auto cmd = searched(w, "brood-tool", path);
            check_exec_fails(cmd, std::errc::no_such_file_or_directory);
            CHECK(told_by(cmd.current_dir(folder.path())) == found);
            inside parents(folder.path());
            CHECK(told_by(searched(w, "brood-tool", path)) == found);
            check_exec_fails(cmd.current_dir("/"), std::errc::no_such_file_or_directory);
        }
        check_exec_fails(
            searched(w, "brood-tool", "/nowhere:/").current_dir(folder.path()), std::errc::no_such_file_or_directory);
    }
}

TEST_CASE("a relative entry of PATH starts in the child's directory")
{
    program_folder folder;
    folder.add("bin/brood-tool");
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        for (std::string const path : {"bin", "./bin", "nowhere:bin"}) {
            CAPTURE(path);
            auto cmd = searched(w, "brood-tool", path);
            CHECK(told_by(cmd.current_dir(folder.path())) == found);
            inside parents(folder.path());
            CHECK(told_by(searched(w, "brood-tool", path)) == found);
            check_exec_fails(cmd.current_dir("/"), std::errc::no_such_file_or_directory);
        }
    }
}

TEST_CASE("without a PATH the system's default is searched")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        asio::io_context context;
        command cmd("true");
        cmd.backend(w.backend).env_remove("PATH");
        for (auto const& one : {cmd, command(cmd).env_clear()}) {
            auto started = spawn(context, one);
            REQUIRE(started);
            CHECK(started.value().wait().value().success());
        }
        command local("brood-tool");
        program_folder folder; // the current directory is not in it
        folder.add("brood-tool");
        local.backend(w.backend).env_remove("PATH").current_dir(folder.path());
        check_exec_fails(local, std::errc::no_such_file_or_directory);
    }
}

TEST_CASE("a relative program starts in the child's directory")
{
    program_folder folder;
    folder.add("tool");
    folder.add("sub/tool2");
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto const in = [&](std::string_view program, std::string_view directory) {
            return searched(w, program, "/nowhere").current_dir(directory);
        };
        CHECK(told_by(in("./tool", folder.path())) == found);
        CHECK(told_by(in("sub/tool2", folder.path())) == found);
        CHECK(told_by(in("../tool", folder.path("sub"))) == found);
        check_exec_fails(in("./tool", "/"), std::errc::no_such_file_or_directory);

        inside parents(folder.path()); // where it would be found from
        CHECK(told_by(searched(w, "./tool", "/nowhere")) == found);
        check_exec_fails(in("./tool", "/"), std::errc::no_such_file_or_directory);
        check_exec_fails(in("./tool", "sub"), std::errc::no_such_file_or_directory);
        CHECK(told_by(in("./tool2", "sub")) == found);
    }
}

TEST_CASE("the child runs in the directory asked for, else in the parent's")
{
    scratch_folder folder;
    std::filesystem::create_directories(folder.path("a b/c"));
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto const told = [&](std::string_view directory) {
            auto cmd = probe(w, "directory");
            return output_of_now(cmd.current_dir(directory));
        };
        CHECK(told("/") == "/");
        CHECK(told(folder.path("a b/c")) == folder.path("a b/c"));
        CHECK(told(folder.path("a b/c/..")) == folder.path("a b"));
        inside parents(folder.path());
        CHECK(told("a b") == folder.path("a b"));
        CHECK(told(".") == folder.path());
        CHECK(output_of_now(probe(w, "directory")) == folder.path());
    }
}

TEST_CASE("entries of PATH too long for the system are skipped")
{
    program_folder good;
    good.add("tool");
    std::string const entry = "/" + std::string(2 * PATH_MAX, 'x');
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        CHECK(told_by(searched(w, "tool", entry + ":" + good.path())) == found);
        CHECK(told_by(searched(w, "tool", good.path() + ":" + entry)) == found);
        CHECK(told_by(searched(w, "tool", entry + ":" + good.path() + ":" + entry)) == found);
    }
}

TEST_CASE("a PATH of a thousand entries is searched to its end")
{
    program_folder good;
    good.add("tool");
    std::string path = "/nowhere";
    for (int i = 0; i < 1000; ++i)
        path += ":/nowhere/" + std::string(80, 'x') + std::to_string(i);
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        CHECK(told_by(searched(w, "tool", path + ":" + good.path())) == found);
        check_exec_fails(searched(w, "tool", path), std::errc::no_such_file_or_directory);
    }
}

TEST_CASE("a PATH whose entries are all too long does not lead into the current directory")
{
    program_folder folder;
    folder.add("tool");
    std::string const entry = "/" + std::string(2 * PATH_MAX, 'x');
    inside parents(folder.path());
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        for (std::string const& path : {entry, entry + ":" + entry}) {
            CAPTURE(path.size());
            auto const ec = refusal(searched(w, "tool", path));
            bool const not_found = ec == std::errc::no_such_file_or_directory || ec == std::errc::filename_too_long;
            CHECK(not_found);
            CHECK(stage_of(ec) == spawn_stage::exec);
        }
    }
}

TEST_CASE("a name too long for any folder is refused by its own error")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        for (std::size_t const size : {std::size_t(NAME_MAX + 1), std::size_t(2 * PATH_MAX)}) {
            CAPTURE(size);
            std::string const name(size, 'x');
            check_exec_fails(searched(w, name, "/:/nowhere"), std::errc::filename_too_long);
            check_exec_fails(searched(w, "/" + name, "/"), std::errc::filename_too_long);
        }
    }
}

TEST_SUITE_END();
