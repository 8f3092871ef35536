// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <cerrno>

#include <sys/stat.h>

using namespace brood;
using namespace test;

namespace {

way const by_fork{spawn_backend::fork, exit_reaper::automatic};

} // namespace

TEST_SUITE_BEGIN("hook");

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
    for (int number : {-1, 70000}) {
        auto const senseless = of([&] { return error_code(number, boost::system::generic_category()); });
        CHECK(senseless == std::errc::operation_canceled);
        CHECK(stage_of(senseless) == spawn_stage::hook);
    }
    auto const thrown = of([]() -> error_code { throw 5; });
    CHECK(thrown == std::errc::operation_canceled);
    CHECK(stage_of(thrown) == spawn_stage::hook);
    CHECK_FALSE(has_children());
}

TEST_SUITE_END();
