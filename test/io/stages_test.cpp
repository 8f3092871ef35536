// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "io/stages.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <vector>

using namespace brood;

using brood::detail::connected;
using brood::detail::joins_group;

namespace {

command named(char const* name) { return command(name); }

std::string text_of(pipeline const& line)
{
    std::ostringstream text;
    text << line;
    return text.str();
}

} // namespace

TEST_SUITE_BEGIN("stages");

TEST_CASE("commands and pipelines join to pipelines")
{
    auto const two = named("a") | named("b");
    CHECK(text_of(two) == R"("a" | "b")");
    CHECK(text_of(two | named("c")) == R"("a" | "b" | "c")");
    CHECK(text_of(named("c") | two) == R"("c" | "a" | "b")");
    CHECK(text_of(two | two) == R"("a" | "b" | "a" | "b")");
    CHECK(text_of(named("a") | command("b", "x y") | named("c")) == R"("a" | "b" "x y" | "c")");
    CHECK(text_of(pipeline(named("a"))) == R"("a")");
    CHECK(text_of(pipeline(two.stages())) == text_of(two));
    CHECK(two.stages().size() == 2);
}

TEST_CASE("a joined pipeline keeps where standard error leads, the left one's first")
{
    auto const plain = named("a") | named("b");
    auto quiet = plain;
    quiet.err(stdio::null());
    auto piped = plain;
    piped.err(stdio::piped());
    CHECK_FALSE((plain | plain).shared_err());
    CHECK((quiet | plain).shared_err() == stdio::null());
    CHECK((plain | quiet).shared_err() == stdio::null());
    CHECK((piped | quiet).shared_err() == stdio::piped());
}

TEST_CASE("only the outer ends of a pipeline may be set")
{
    struct row {
        int stage;
        int child_fd;
        bool allowed;
    };
    for (auto const& r :
         {row{0, 0, true}, row{0, 1, false}, row{0, 2, true}, row{0, 3, true}, row{1, 0, false}, row{1, 1, false},
          row{1, 2, true}, row{2, 0, false}, row{2, 1, true}, row{2, 2, true}}) {
        CAPTURE(r.stage);
        CAPTURE(r.child_fd);
        std::vector<command> stages{named("a"), named("b"), named("c")};
        stages[static_cast<std::size_t>(r.stage)].fd(r.child_fd, stdio::inherit());
        auto const ec = detail::check(pipeline(stages));
        CHECK(ec.failed() != r.allowed);
        if (!r.allowed) {
            CHECK(ec == std::errc::invalid_argument);
            CHECK(stage_of(ec) == spawn_stage::stdio);
        }
    }
}

TEST_CASE("a pipeline without a stage is refused")
{
    CHECK(detail::check(pipeline(std::vector<command>())) == std::errc::invalid_argument);
}

TEST_CASE("a stage gets what its place says, and keeps what it sets itself")
{
    auto const inner = connected(named("a"), {5, 6, stdio::null(), 17}).data();
    CHECK(inner.descriptors.at(0) == stdio::fd(5));
    CHECK(inner.descriptors.at(1) == stdio::fd(6));
    CHECK(inner.descriptors.at(2) == stdio::null());
    CHECK(inner.process_group == 17);

    auto own = named("a");
    own.in(stdio::null()).err(stdio::same_as(1)).session();
    auto const only = connected(own, {-1, -1, stdio::null(), 17}).data();
    CHECK(only.descriptors.at(0) == stdio::null());
    CHECK_FALSE(only.descriptors.contains(1));
    CHECK(only.descriptors.at(2) == stdio::same_as(1));
    CHECK_FALSE(only.process_group);
}

TEST_CASE("a stage with a process group or a session of its own keeps it")
{
    CHECK(joins_group(named("a")));
    CHECK_FALSE(joins_group(named("a").process_group()));
    CHECK_FALSE(joins_group(named("a").session()));
    CHECK_FALSE(joins_group(named("a").terminal()));
}

TEST_SUITE_END();
