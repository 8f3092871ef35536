// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/exec_strings.hpp"
#include "support/parent_environment.hpp"
#include "support/support.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <climits>
#include <ostream>
#include <utility>

#include <unistd.h>

using namespace brood;
using namespace brood::detail;
using namespace std::string_literals;

using test::parent_environment;

namespace {

using strings = std::vector<std::string>;

strings list(string_block const& block)
{
    strings all;
    for (std::size_t i = 0; i < block.size(); ++i)
        all.emplace_back(block[i]);
    return all;
}

strings list(char* const* array)
{
    strings all;
    for (; *array; ++array)
        all.emplace_back(*array);
    return all;
}

string_block block_of(strings const& all)
{
    string_block block;
    for (auto const& text : all)
        block.add(text);
    return block;
}

strings captured(environment const& changes) { return list(capture_environment(changes)); }

strings candidates(std::string const& program, std::optional<std::string_view> path)
{
    string_block variables;
    if (path)
        variables.add("PATH=", *path, "");
    return list(program_candidates(program, variables));
}

error_code validate(command const& cmd) { return detail::validate(cmd.data()); }

} // namespace

TEST_SUITE_BEGIN("exec_strings_unit");

TEST_CASE("string_block: the array of pointers ends with a null pointer")
{
    for (strings const& all : {strings{}, strings{""}, strings{"a"}, strings{"", "a", "", "b", ""}}) {
        CAPTURE(all.size());
        auto block = block_of(all);
        CHECK(block.size() == all.size());
        CHECK(list(block) == all);
        auto const* array = block.pointers();
        CHECK(array[all.size()] == nullptr);
        CHECK(list(array) == all);
    }
}

TEST_CASE("string_block: grows beyond its initial capacity")
{
    strings all;
    for (std::size_t i = 0; i < 100; ++i)
        all.emplace_back(i, static_cast<char>('a' + i % 26));
    for (std::size_t const strings : {0u, 1u, 100u})
        for (std::size_t const characters : {0u, 5u, 10000u}) {
            CAPTURE(strings);
            CAPTURE(characters);
            string_block block(strings, characters);
            for (auto const& text : all)
                block.add(text);
            CHECK(list(block) == all);
            CHECK(list(block.pointers()) == all);
        }
}

TEST_CASE("string_block: three pieces are joined to one string")
{
    string_block block;
    block.add("KEY", "=", "value");
    block.add("", "", "");
    block.add("a", "", "b");
    CHECK(list(block) == strings{"KEY=value", "", "ab"});
}

TEST_CASE("string_block: pointers stay valid after a move")
{
    for (strings const& all : {strings{"a"}, strings{"", "short", std::string(5000, 'x')}}) {
        CAPTURE(all.size());
        auto block = block_of(all);
        auto const* array = block.pointers();
        string_block moved(std::move(block));
        CHECK(list(array) == all);
        CHECK(list(moved) == all);
        string_block assigned;
        assigned.add("replaced");
        assigned = std::move(moved);
        CHECK(list(array) == all);
        CHECK(list(assigned) == all);
    }
}

TEST_CASE("capture_environment: passes on the kept variables of the parent, and what is set")
{
    parent_environment const parent({"A=1", "B=2", "broken", "C=3", "AB=4"});
    CHECK(captured(environment().keep("A").keep("C").keep("missing")) == strings{"A=1", "C=3"});
    CHECK(captured(environment().set("D", "4").keep("A")) == strings{"A=1", "D=4"});
    CHECK(captured(environment().keep("A").set("A", "9")) == strings{"A=9"});
    CHECK(captured(environment().keep("A").keep("B").remove("A")) == strings{"B=2"});
    CHECK(captured(environment().keep("A").clear()) == strings{});
    CHECK(captured(environment().clear().keep("A")) == strings{"A=1"});
    CHECK(captured(environment().keep("broken")) == strings{"broken"});
    CHECK(validate(command("p").env_keep("A=")) == errc::invalid_environment_key);
    CHECK(validate(command("p").env_keep(std::string_view("A\0B", 3))) == errc::nul_byte);
}

TEST_CASE("find_program: searches PATH as a spawn does")
{
    test::scratch_folder folder;
    folder.write("text", "", 0644);
    parent_environment const parent({"PATH=/nowhere:" + folder.path() + ":/bin"});
    CHECK(find_program("sh").value() == "/bin/sh");
    CHECK(find_program("/bin/sh").value() == "/bin/sh");
    CHECK(find_program("passwd-of-nobody").error() == make_error_code(spawn_stage::exec, ENOENT));
    CHECK(find_program("text").error() == make_error_code(spawn_stage::exec, EACCES)); // no program, but found
    CHECK(find_program("/etc").error() == make_error_code(spawn_stage::exec, EACCES)); // a directory
    CHECK(find_program("/bin/sh/x").error() == make_error_code(spawn_stage::exec, ENOTDIR));
    CHECK(find_program("").error() == errc::empty_program);
    CHECK(find_program(std::string_view("s\0h", 3)).error() == errc::nul_byte);
}

TEST_CASE("capture_environment: keeps the parent's order without changes")
{
    strings const all{"B=2", "A=1", "EMPTY=", "TWICE=1", "TWICE=2", "E=q=u=a=l"};
    parent_environment parent(all);
    CHECK(captured({}) == all);
}

TEST_CASE("capture_environment: reads the environment at the call")
{
    environment const changes = environment().set("ADDED", "1");
    {
        parent_environment parent({"A=1"});
        CHECK(captured(changes) == strings{"A=1", "ADDED=1"});
    }
    parent_environment parent({"A=2", "B=3"});
    CHECK(captured(changes) == strings{"A=2", "B=3", "ADDED=1"});
}

TEST_CASE("capture_environment: applies changes to the parent's environment")
{
    parent_environment parent({"A=1", "AB=2", "B=3"});
    struct {
        environment changes;
        strings expected;
    } const rows[] = {
        {environment().set("C", "4"), {"A=1", "AB=2", "B=3", "C=4"}},
        {environment().set("A", "new"), {"AB=2", "B=3", "A=new"}},
        {environment().set("A", ""), {"AB=2", "B=3", "A="}},
        {environment().set("A", "x=y"), {"AB=2", "B=3", "A=x=y"}},
        {environment().set("A", "1").set("A", "2"), {"AB=2", "B=3", "A=2"}},
        {environment().remove("A"), {"AB=2", "B=3"}},
        {environment().remove("B").remove("A"), {"AB=2"}},
        {environment().remove("MISSING"), {"A=1", "AB=2", "B=3"}},
        {environment().remove("A").set("A", "again"), {"AB=2", "B=3", "A=again"}},
        {environment().set("A", "x").remove("A"), {"AB=2", "B=3"}},
        {environment().set("C", "x").remove("C"), {"A=1", "AB=2", "B=3"}},
        {environment().clear(), {}},
        {environment().set("C", "4").remove("A").clear(), {}},
        {environment().clear().set("A", "5").set("C", "6"), {"A=5", "C=6"}},
        {environment().clear().remove("A"), {}},
        {environment().clear().set("A", "5").remove("A"), {}},
    };
    for (std::size_t i = 0; i < std::size(rows); ++i) {
        CAPTURE(i);
        CHECK(captured(rows[i].changes) == rows[i].expected);
    }
}

TEST_CASE("capture_environment: changes every entry of a duplicate variable")
{
    parent_environment parent({"A=1", "B=2", "A=3"});
    CHECK(captured(environment().set("A", "4")) == strings{"B=2", "A=4"});
    CHECK(captured(environment().remove("A")) == strings{"B=2"});
}

TEST_CASE("capture_environment: keeps inherited entries without '='")
{
    strings const all{"loose", "=odd", "", "A=1"};
    parent_environment parent(all);
    CHECK(captured({}) == all);
    CHECK(captured(environment().remove("A")) == strings{"loose", "=odd", ""});
    CHECK(captured(environment().set("B", "2")) == strings{"loose", "=odd", "", "A=1", "B=2"});
    CHECK(captured(environment().clear().set("B", "2")) == strings{"B=2"});
}

TEST_CASE("capture_environment: the parent's environment can be empty or null")
{
    char** const before = environ;
    environ = nullptr; // the state after clearenv(3)
    auto const unchanged = captured({});
    auto const added = captured(environment().set("A", "1").remove("B"));
    environ = before;
    CHECK(unchanged.empty());
    CHECK(added == strings{"A=1"});

    parent_environment parent({});
    CHECK(captured({}).empty());
}

TEST_CASE("find_variable: compares the whole key and returns the first match")
{
    auto const block =
        block_of({"PATHS=no", "PAT=no", "XPATH=no", "PATH", "PATH=yes:=x", "PATH=late", "EMPTY=", "A=1"});
    CHECK(find_variable(block, "PATH") == "yes:=x");
    CHECK(find_variable(block, "PATHS") == "no");
    CHECK(find_variable(block, "A") == "1");
    CHECK(find_variable(block, "EMPTY") == "");
    CHECK(find_variable(block, "path") == std::nullopt);
    CHECK(find_variable(block, "P") == std::nullopt);
    CHECK(find_variable(block, "a key longer than any entry of the block is") == std::nullopt);
    CHECK(find_variable(string_block(), "PATH") == std::nullopt);
    CHECK(find_variable(block_of({"PATH"}), "PATH") == std::nullopt);
}

TEST_CASE("program_candidates: a program with a slash is the only candidate")
{
    for (std::string const program : {"/bin/true", "./true", "bin/true", "true/", "/"}) {
        CAPTURE(program);
        CHECK(candidates(program, "/a:/b") == strings{program});
        CHECK(candidates(program, std::nullopt) == strings{program});
    }
    std::string const too_long = "/" + std::string(2 * PATH_MAX, 'x');
    CHECK(candidates(too_long, "/a") == strings{too_long});
}

TEST_CASE("program_candidates: a path per entry of PATH; an empty entry is the current directory")
{
    struct {
        std::string_view path;
        strings expected;
    } const rows[] = {
        {"/a", {"/a/prog"}},
        {"/a:/b:/a", {"/a/prog", "/b/prog", "/a/prog"}},
        {"relative:./b", {"relative/prog", "./b/prog"}},
        {"/a/", {"/a//prog"}},
        {"", {"prog"}},
        {":", {"prog", "prog"}},
        {":/a", {"prog", "/a/prog"}},
        {"/a:", {"/a/prog", "prog"}},
        {"/a::/b", {"/a/prog", "prog", "/b/prog"}},
        {"/with space:/with=sign", {"/with space/prog", "/with=sign/prog"}},
    };
    for (auto const& row : rows) {
        CAPTURE(row.path);
        CHECK(candidates("prog", row.path) == row.expected);
    }
}

TEST_CASE("program_candidates: the default PATH excludes the current directory")
{
    auto const found = candidates("prog", std::nullopt);
    REQUIRE_FALSE(found.empty());
    bool has_bin = false;
    for (auto const& path : found) {
        CAPTURE(path);
        CHECK(path.starts_with("/"));
        CHECK(path.ends_with("/prog"));
        has_bin |= path == "/bin/prog";
    }
    CHECK(has_bin);
}

TEST_CASE("program_candidates: paths that are too long are skipped")
{
    std::string const program = "prog";
    // PATH_MAX counts the terminating NUL.
    std::string const just_fits(PATH_MAX - 1 - 1 - program.size(), 'x');
    CHECK(candidates(program, just_fits) == strings{just_fits + "/prog"});
    CHECK(candidates(program, just_fits + "x:/a") == strings{"/a/prog"});
    CHECK(candidates(program, "/a:" + just_fits + "x") == strings{"/a/prog"});
    CHECK(candidates(program, just_fits + "x:/a:" + just_fits) == strings{"/a/prog", just_fits + "/prog"});
}

TEST_CASE("program_candidates: not empty if every path is too long")
{
    std::string const entry(PATH_MAX, 'x');
    for (std::string const& path : {entry, entry + ":" + entry}) {
        CAPTURE(path.size());
        auto const found = candidates("prog", path);
        CHECK_FALSE(found.empty());
        for (auto const& path_found : found)
            CHECK(path_found.find('/') != path_found.npos); // not in the current directory
    }
    CHECK_FALSE(candidates(std::string(PATH_MAX, 'p'), "/a:/b").empty());
}

TEST_CASE("argument_block: starts with the program or arg0")
{
    command cmd("dir/prog", "", "a b", "");
    CHECK(list(argument_block(cmd.data())) == strings{"dir/prog", "", "a b", ""});
    CHECK(list(argument_block(cmd.arg0("name").data())) == strings{"name", "", "a b", ""});
    CHECK(list(argument_block(cmd.arg0("").data())) == strings{"", "", "a b", ""});
    CHECK(list(argument_block(command("prog").data())) == strings{"prog"});
}

TEST_CASE("validate: accepts a valid command")
{
    command cmd("prog", "", "a=b", "=");
    cmd.arg0("").env("K", "=v=").env_remove("not there").current_dir("relative");
    cmd.in(stdio::null()).fd(0, stdio::inherit()).fd(9, stdio::file("", open_mode::read)).process_group(1);
    CHECK(validate(cmd) == error_code());
    CHECK(validate(command("p").session()) == error_code());
    CHECK(validate(command("p").process_group()) == error_code());
}

TEST_CASE("validate: rejects a NUL byte in every string")
{
    auto const base = [] { return command("prog", "x"); };
    struct {
        std::string_view place;
        command cmd;
    } const rows[] = {
        {"program", command("pr\0og"s)},
        {"program's end", command("prog\0"s)},
        {"program of a NUL byte only", command("\0"s)},
        {"argument", base().arg("a\0b"s)},
        {"argument before others", base().arg("\0"s).arg("c")},
        {"last of many arguments", base().args({"a", "b", std::string_view("\0", 1)})},
        {"arg0", base().arg0("a\0"s)},
        {"directory", base().current_dir("/\0"s)},
        {"key", base().env("K\0"s, "v")},
        {"value", base().env("K", "\0v"s)},
        {"removed key", base().env_remove("\0K"s)},
        {"key on a cleared environment", base().env_clear().env("\0"s, "v")},
        {"file", base().in(stdio::file("/dev/null\0"s, open_mode::read))},
        {"file of another descriptor", base().fd(9, stdio::file("\0x"s, open_mode::read))},
        {"cgroup", base().cgroup("/sys/fs/cgroup\0x"s)},
        {"program, with an invalid key", command("\0"s).env("", "v")},
    };
    for (auto const& row : rows) {
        CAPTURE(row.place);
        CHECK(validate(row.cmd) == errc::nul_byte);
    }
}

TEST_CASE("validate: ignores NUL bytes in values that were replaced")
{
    CHECK(validate(command("p").env("K", "\0"s).env("K", "v")) == error_code());
    CHECK(validate(command("p").env("\0"s, "v").env_clear()) == error_code());
    CHECK(validate(command("p").in(stdio::file("\0"s, open_mode::read)).in(stdio::null())) == error_code());
}

TEST_CASE("validate: rejects an empty program")
{
    CHECK(validate(command("")) == errc::empty_program);
    CHECK(validate(command("", "x")) == errc::empty_program);
    CHECK(validate(command("").arg0("prog")) == errc::empty_program);
}

TEST_CASE("validate: rejects invalid environment keys, set or removed")
{
    for (std::string const key : {"", "=", "A=", "=A", "A=B"}) {
        CAPTURE(key);
        CHECK(validate(command("p").env(key, "v")) == errc::invalid_environment_key);
        CHECK(validate(command("p").env_remove(key)) == errc::invalid_environment_key);
        CHECK(validate(command("p").env("GOOD", "v").env(key, "")) == errc::invalid_environment_key);
        CHECK(validate(command("p").env(key, "v").env_clear()) == error_code());
    }
}

TEST_CASE("validate: rejects invalid numbers and conflicting attributes")
{
    struct {
        std::string_view name;
        command cmd;
    } const rows[] = {
        {"negative descriptor", command("p").fd(-1, stdio::null())},
        {"lowest descriptor", command("p").fd(INT_MIN, stdio::null())},
        {"negative descriptor and others", command("p").fd(3, stdio::null()).fd(-3, stdio::inherit())},
        {"session with group", command("p").session().process_group()},
        {"group with session", command("p").process_group(7).session()},
        {"terminal with group", command("p").terminal().process_group()},
        {"negative group", command("p").process_group(-2)},
    };
    for (auto const& row : rows) {
        CAPTURE(row.name);
        auto const ec = validate(row.cmd);
        CHECK(ec == std::errc::invalid_argument);
        CHECK(stage_of(ec) == spawn_stage::prepare);
    }
}

TEST_SUITE_END();
