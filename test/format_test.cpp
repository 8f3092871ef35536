// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/format.hpp>

#include <doctest/doctest.h>

using namespace brood;

TEST_SUITE_BEGIN("format");

TEST_CASE("format: a command, a pipeline and an exit status format as they print")
{
    command const cmd("echo", "a b");
    CHECK(std::format("{}", cmd) == R"(echo "a b")");
    CHECK(std::format("{}", cmd | command("cat")) == R"(echo "a b" | cat)");
    CHECK(std::format("<{:>16}>", exit_status::from_raw(0)) == "<  exit status: 0>");
}

TEST_SUITE_END();
