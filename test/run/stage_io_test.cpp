// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "run/stage_io.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <vector>

using namespace brood;

using brood::detail::connect;
using brood::detail::joins_group;

namespace {

std::string to_text(pipeline const& line)
{
    std::ostringstream text;
    text << line;
    return text.str();
}

} // namespace

TEST_SUITE_BEGIN("stage io");

TEST_CASE("operator|: joins commands and pipelines in order")
{
    auto const two = command("a") | command("b");
    CHECK(to_text(two) == "a | b");
    CHECK(to_text(two | command("c")) == "a | b | c");
    CHECK(to_text(command("c") | two) == "c | a | b");
    CHECK(to_text(two | two) == "a | b | a | b");
    CHECK(to_text(command("a") | command("b", "x y") | command("c")) == R"(a | b "x y" | c)");
    CHECK(to_text(pipeline(command("a"))) == "a");
    CHECK(to_text(pipeline(two.stages())) == to_text(two));
    CHECK(two.stages().size() == 2);
}

TEST_CASE("operator|: keeps the shared standard error of the left pipeline, else that of the right one")
{
    auto const plain = command("a") | command("b");
    auto quiet = plain;
    quiet.err(stdio::null());
    auto piped = plain;
    piped.err(stdio::piped());
    CHECK_FALSE((plain | plain).shared_err());
    CHECK((quiet | plain).shared_err() == stdio::null());
    CHECK((plain | quiet).shared_err() == stdio::null());
    CHECK((piped | quiet).shared_err() == stdio::piped());
}

TEST_CASE("validate: refuses stages that set a stream between two stages")
{
    struct stream {
        std::size_t stage;
        int child_fd;
        bool allowed;
    };
    for (auto const& row : {
             stream{0, 0, true},
             stream{0, 1, false},
             stream{0, 2, true},
             stream{0, 3, true},
             stream{1, 0, false},
             stream{1, 1, false},
             stream{1, 2, true},
             stream{2, 0, false},
             stream{2, 1, true},
             stream{2, 2, true},
         }) {
        CAPTURE(row.stage);
        CAPTURE(row.child_fd);
        std::vector<command> stages{command("a"), command("b"), command("c")};
        stages[row.stage].fd(row.child_fd, stdio::null());
        auto const ec = detail::validate(pipeline(stages));
        CHECK(ec.failed() != row.allowed);
        if (!row.allowed) {
            CHECK(ec == std::errc::invalid_argument);
            CHECK(stage_of(ec) == spawn_stage::stdio);
        }
    }
}

TEST_CASE("validate: refuses stages that borrow a closed descriptor")
{
    auto const line = command("a") | command("b");
    auto shares = line;
    for (auto const& refused :
         {command("a") | command("b").fd(3, stdio::fd(777)), command("a").fd(777, stdio::inherit()) | command("b"),
          shares.err(stdio::fd(777))}) {
        auto const ec = detail::validate(refused);
        CHECK(ec == std::errc::bad_file_descriptor);
        CHECK(stage_of(ec) == spawn_stage::stdio);
    }
    CHECK(detail::validate(line) == error_code());
}

TEST_CASE("validate: refuses a pipeline without stages")
{
    CHECK(detail::validate(pipeline(std::vector<command>())) == std::errc::invalid_argument);
}

TEST_CASE("connect: sets the pipes and the process group, except those that the stage sets")
{
    auto const inner = connect(command("a"), {5, 6, stdio::null(), 17}).data();
    CHECK(inner.descriptors.at(0) == stdio::fd(5));
    CHECK(inner.descriptors.at(1) == stdio::fd(6));
    CHECK(inner.descriptors.at(2) == stdio::null());
    CHECK(inner.process_group == 17);

    auto stage = command("a");
    stage.in(stdio::null()).err(stdio::same_as(1)).session();
    auto const only = connect(stage, {-1, -1, stdio::null(), 17}).data();
    CHECK(only.descriptors.at(0) == stdio::null());
    CHECK_FALSE(only.descriptors.contains(1));
    CHECK(only.descriptors.at(2) == stdio::same_as(1));
    CHECK_FALSE(only.process_group);
}

TEST_CASE("joins_group: a stage with its own process group, session or terminal does not join")
{
    CHECK(joins_group(command("a")));
    CHECK_FALSE(joins_group(command("a").process_group()));
    CHECK_FALSE(joins_group(command("a").session()));
    CHECK_FALSE(joins_group(command("a").terminal()));
}

TEST_SUITE_END();
