// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <unistd.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("session");

TEST_CASE("process_group: the child leads a new group or joins a given one")
{
    for_each_config([&](backend_config const& config) {
        auto cmd = probe(config, "ids");
        auto const leading = output_of_now(cmd.process_group());
        CHECK(after(leading, "pgid") == leading.substr(0, leading.find(' ')));
        CHECK(after(leading, "sid") == std::to_string(::getsid(0)));
        CHECK(after(output_of_now(probe(config, "ids")), "pgid") == std::to_string(::getpgid(0)));

        run([&]() -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto leader_command = probe(config, "wait", "0");
            auto leader = spawn(ex, leader_command.process_group().in(stdio::piped()).out(stdio::null())).value();
            auto const joined = co_await output_of(probe(config, "ids").process_group(leader.id()));
            CHECK(after(joined.out, "pgid") == std::to_string(leader.id()));
        }());
    });
}

TEST_CASE("process_group: joining a missing group fails with stage session")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "exit", "0");
        auto const ec = spawn(context, cmd.process_group(0x3fffffff)).error();
        CHECK(ec == std::errc::operation_not_permitted);
        CHECK(stage_of(ec) == spawn_stage::session);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("session: the child leads a new session and its process group")
{
    for_each_config([&](backend_config const& config) {
        auto cmd = probe(config, "ids");
        auto const ids = output_of_now(cmd.session());
        auto const pid = ids.substr(0, ids.find(' '));
        CHECK(after(ids, "sid") == pid);
        CHECK(after(ids, "pgid") == pid);
    });
}

TEST_SUITE_END();
