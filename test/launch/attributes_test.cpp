// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <memory>

#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

way const by_fork{spawn_backend::fork, exit_reaper::automatic};

std::string after(std::string const& text, std::string const& word)
{
    auto const at = text.find(word);
    REQUIRE(at != text.npos);
    return text.substr(at + word.size() + 1, text.find(' ', at + word.size() + 1) - at - word.size() - 1);
}

} // namespace

TEST_SUITE_BEGIN("attributes");

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

TEST_CASE("pre_exec runs in the child, and its writes stay there")
{
    int touched = 0;
    auto cmd = probe(by_fork, "umask");
    cmd.backend(spawn_backend::automatic).pre_exec([&] {
        touched = 1;
        ::umask(0123);
        return error_code();
    });
    CHECK(output_of_now(cmd) == std::to_string(0123));
    CHECK(touched == 0);
}

TEST_CASE("what pre_exec returns or throws comes back with stage hook")
{
    leaves_nothing guard;
    asio::io_context context;
    auto cmd = probe(by_fork, "exit", "0");
    auto const of = [&](std::function<error_code()> hook) { return spawn(context, cmd.pre_exec(hook)).error(); };

    auto const refused = of([] { return error_code(EDOM, boost::system::system_category()); });
    CHECK(refused.value() == EDOM);
    CHECK(stage_of(refused) == spawn_stage::hook);
    auto const foreign = of([] { return error_code(errc::timed_out); });
    CHECK(foreign == std::errc::operation_canceled);
    CHECK(stage_of(foreign) == spawn_stage::hook);
    auto const thrown = of([]() -> error_code { throw 5; });
    CHECK(thrown == std::errc::operation_canceled);
    CHECK(stage_of(thrown) == spawn_stage::hook);
    CHECK_FALSE(has_children());
}

TEST_SUITE_END();
