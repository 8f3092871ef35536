// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fuzz/shells.hpp"
#include "fuzz/targets.hpp"
#include "support/support.hpp"

#include <cstdint>
#include <random>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("shell_line");

TEST_CASE("shell_line: random commands reach the program through every installed shell")
{
    for (auto const& each : fuzz::shells)
        if (!fuzz::is_installed(each))
            MESSAGE(each.words.front() << " is not installed: not tested");
    std::mt19937 random(20240229);
    constexpr int cases = 400;
    for (int i = 0; i < cases; ++i) {
        CAPTURE(i);
        std::string bytes(random() % 200, '\0');
        for (char& byte : bytes)
            byte = static_cast<char>(random() % 255 + 1); // a NUL byte would only be an error
        CHECK_NOTHROW(fuzz::check_shell_line(bytes));
    }
    CHECK_FALSE(has_children());
}

TEST_CASE("shell_line: arguments can contain every byte except NUL")
{
    std::vector<std::string> sent{"", " ", "-", "a\nb", "'", "''"};
    for (int byte = 1; byte < 256; ++byte) {
        sent.emplace_back(1, static_cast<char>(byte));
        sent.push_back("a" + sent.back() + "'b");
    }
    for (auto const& each : fuzz::shells) {
        if (!fuzz::is_installed(each))
            continue;
        CAPTURE(each.name);
        auto const received = output_of_now(command(probe_path(), "arguments").args(sent).under_shell(each.words));
        CHECK(split(received, '\0') == sent);
    }
}

TEST_CASE("shell_line: the program runs in the directory, behind launchers of both forms")
{
    scratch_folder const folder;
    auto const path = std::filesystem::canonical(folder.path()).string();
    auto const cmd = command(probe_path(), "directory").current_dir(path);
    CHECK(output_of_now(command(cmd).under("env", "A=1")) == path);
    CHECK(output_of_now(command(cmd).under_shell("/bin/sh", "-c")) == path);
    CHECK(output_of_now(command(cmd).under("env").under_shell("/bin/sh", "-c").under("env")) == path);
    CHECK(output_of_now(command(cmd).under_shell("/bin/sh", "-c").under_shell("/bin/sh", "-c")) == path);
}

TEST_CASE("shell_line: a spawn fails with the error of what a launcher cannot pass on")
{
    auto const with_name = command("true").arg0("name");
    CHECK(failure_of(command(with_name).under("env")) == errc::inexpressible);
    CHECK(failure_of(command(with_name).under_shell("/bin/sh", "-c")) == errc::inexpressible);
    CHECK(failure_of(command("").under("env")) == errc::empty_program);
    CHECK(exec(command(with_name).under("env")) == errc::inexpressible);
    CHECK(
        describe(command(with_name).under("env"), errc::inexpressible) ==
        "env: a setting of the command has no form in a shell line or behind a launcher");
}

TEST_SUITE_END();
