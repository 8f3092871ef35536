// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <unistd.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("session");

TEST_CASE("a new process group, and one to join")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        auto cmd = probe(w, "ids");
        auto const alone = output_of_now(cmd.process_group());
        CHECK(after(alone, "pgid") == alone.substr(0, alone.find(' ')));
        CHECK(after(alone, "sid") == std::to_string(::getsid(0)));
        CHECK(after(output_of_now(probe(w, "ids")), "pgid") == std::to_string(::getpgid(0)));

        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto lead = probe(by, "wait", "0");
            auto leader = spawn(ex, lead.process_group().in(stdio::piped()).out(stdio::null())).value();
            auto const joined = co_await output_of(probe(by, "ids").process_group(leader.id()));
            CHECK(after(joined.out, "pgid") == std::to_string(leader.id()));
        }(w));
    }
}

TEST_CASE("a group that is not there can't be joined")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto cmd = probe(w, "exit", "0");
        auto const ec = spawn(context, cmd.process_group(0x3fffffff)).error();
        CHECK(ec == std::errc::operation_not_permitted);
        CHECK(stage_of(ec) == spawn_stage::session);
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("a new session leads its group too")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        auto cmd = probe(w, "ids");
        auto const told = output_of_now(cmd.session());
        auto const pid = told.substr(0, told.find(' '));
        CHECK(after(told, "sid") == pid);
        CHECK(after(told, "pgid") == pid);
    }
}

TEST_SUITE_END();
