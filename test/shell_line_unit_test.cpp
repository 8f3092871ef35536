// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/command.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <string_view>

using namespace brood;
using namespace std::string_view_literals;

TEST_SUITE_BEGIN("shell_line");

TEST_CASE("shell_line: quotes words in single quotes")
{
    struct {
        command cmd;
        std::string_view line;
    } const rows[] = {
        {command("prog"), "exec prog"},
        {command("prog", "x", "-y", "a/b:c,d@e%f+g.h_i"), "exec prog x -y a/b:c,d@e%f+g.h_i"},
        {command("prog", ""), "exec prog ''"},
        {command("a b", "c d"), "exec 'a b' 'c d'"},
        {command("prog", "it's"), R"(exec prog 'it'\''s')"},
        {command("prog", "\"$x`\\\n!"), "exec prog '\"$x`\\\n!'"},
        {command("prog", "\t\x01\xff"), "exec prog '\t\x01\xff'"},
        {command("prog", "=ls", "a=b"), "exec prog '=ls' a=b"},
        {command("time"), "exec time"},
        {command("a=b", "c"), "exec a=b c"},
        {command("-x", "-y"), "exec env -- -x -y"},
    };
    for (auto const& row : rows) {
        CAPTURE(row.line);
        CHECK(shell_line(row.cmd).value() == row.line);
    }
}

TEST_CASE("shell_line: enters the directory without CDPATH, OLDPWD and options")
{
    struct {
        std::string_view directory, line;
    } const rows[] = {
        {"/a b", "cd -P '/a b' && exec prog"}, {"d", "cd -P ./d && exec prog"},   {"-", "cd -P ./- && exec prog"},
        {"-x", "cd -P ./-x && exec prog"},     {"..", "cd -P ./.. && exec prog"}, {"~", "cd -P './~' && exec prog"},
    };
    for (auto const& row : rows) {
        CAPTURE(row.line);
        CHECK(shell_line(command("prog").current_dir(row.directory)).value() == row.line);
    }
}

TEST_CASE("shell_line: changes the environment by env")
{
    struct {
        command cmd;
        std::string_view line;
    } const rows[] = {
        {command("prog").env("A", "1 2").current_dir("/d"), "cd -P /d && exec env A='1 2' prog"},
        {command("prog").env("B", "").env("A", "1"), "exec env A=1 B='' prog"},
        {command("prog").env_remove("K").env("A", "1"), "exec env -u K A=1 prog"},
        {command("prog").env("a b", "1"), "exec env 'a b=1' prog"},
        {command("prog").env("-x", "1"), "exec env -- -x=1 prog"},
        {command("-p").env_remove("K"), "exec env -u K -- -p"},
        {command("prog").env_clear(), "exec env -i prog"},
        {command("prog").env_keep("HOME").env("A", "1"), R"(exec env -i ${HOME+HOME="$HOME"} A=1 prog)"},
        {command("prog").env_keep("a b").env("a b", "1"), "exec env -i 'a b=1' prog"},
    };
    for (auto const& row : rows) {
        CAPTURE(row.line);
        CHECK(shell_line(row.cmd).value() == row.line);
    }
}

TEST_CASE("shell_line: omits settings of the process")
{
    command cmd("prog");
    cmd.in(stdio::null()).fd(7, stdio::piped()).umask(022).session().process_group(-1);
    CHECK(shell_line(cmd).value() == "exec prog");
}

TEST_CASE("shell_line: fails for what a shell cannot execute")
{
    struct {
        command cmd;
        error_code error;
    } const rows[] = {
        {command("prog", "a\0b"sv), errc::nul_byte},
        {command("prog").env("A", "\0"sv), errc::nul_byte},
        {command("prog").current_dir("a\0b"sv), errc::nul_byte},
        {command(""), errc::empty_program},
        {command("prog").env("A=B", "1"), errc::invalid_environment_key},
        {command("prog").current_dir(""), make_error_code(spawn_stage::directory, ENOENT)},
        {command("prog").arg0("name"), errc::inexpressible},
        {command("prog").chroot("/r"), errc::inexpressible},
        {command("prog").env_keep("a b"), errc::inexpressible},
        {command("a=b").env("A", "1"), errc::inexpressible},
        {command("/d=e/f").env_clear(), errc::inexpressible},
        {command("-"), errc::inexpressible},
        {command("-a=b"), errc::inexpressible},
    };
    for (auto const& row : rows) {
        CAPTURE(row.cmd);
        auto const line = shell_line(row.cmd);
        REQUIRE_FALSE(line.has_value());
        CHECK(line.error() == row.error);
    }
}

TEST_SUITE_END();
