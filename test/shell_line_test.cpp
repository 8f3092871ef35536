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

TEST_SUITE_END();
