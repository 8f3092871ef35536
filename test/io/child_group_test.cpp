// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_output.hpp"
#include "support/test_group.hpp"

#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <set>

using namespace brood;
using namespace test;

namespace {

std::string const term = std::to_string(SIGTERM);
error_code const aborted = asio::error::operation_aborted;

} // namespace

TEST_SUITE_BEGIN("child group");

TEST_CASE("no more than the limit run, and those that wait come in order")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(2));
        for (int i = 0; i < 5; ++i)
            test.spawn(pausing(w));
        CHECK(test.spawned[0] == std::nullopt); // not inline
        for (std::size_t begun = 2; begun <= 5; ++begun) {
            test.until([&] { return test.members.size() >= begun; });
            test.context.poll();
            CHECK(test.members.size() == begun);
            CHECK(test.group->running() == 2);
            CHECK(test.spawned[begun - 1] == error_code());
            CHECK(test.members.back().index == begun - 1);
            ::kill(test.members[begun - 2].id, SIGKILL);
            if (begun < 5) {
                CHECK(is_alive(test.members[begun - 1].id));
                CHECK(test.spawned[begun] == std::nullopt);
            }
        }
        ::kill(test.members.back().id, SIGKILL);
        test.wait_all();
        test.finish();
        CHECK(test.all_ended == error_code());
        CHECK(test.group->running() == 0);
    }
}

TEST_CASE("spawn at once refuses what is over the limit")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(1));
        auto const one = test.group->spawn(pausing(w));
        REQUIRE(one);
        CHECK(test.group->spawn(pausing(w)).error() == std::errc::resource_unavailable_try_again);
        test.wait_all();
        ::kill(one.value().id, SIGKILL);
        test.finish();
        CHECK(test.group->spawn(quiet(probe(w, "exit", "0"))).value().index == 1);
        test.wait_all();
        test.finish();
    }
}

TEST_CASE("results come in the order of the ends, each once, and then there are none")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(3));
        for (int i = 0; i < 3; ++i)
            test.spawn(pausing(w));
        test.until([&] { return test.members.size() == 3; });
        test.next();
        for (std::size_t which : {2u, 0u, 1u}) { // the last two are kept until they are asked for
            auto const before = test.group->running();
            ::kill(test.members[which].id, SIGKILL);
            test.until([&] { return test.group->running() < before; });
        }
        for (int i = 0; i < 3; ++i)
            test.next();
        test.finish();
        REQUIRE(test.results.size() == 4);
        CHECK(test.results[0].index == 2);
        CHECK(test.results[0].id == test.members[2].id);
        CHECK(test.results[0].status.signal() == SIGKILL);
        CHECK(test.results[0].usage);
        CHECK(test.results[1].index == 0);
        CHECK(test.results[2].index == 1);
        CHECK_FALSE(test.told[2].failed());
        CHECK(test.told[3] == asio::error::eof);
    }
}

TEST_CASE("a failure leaves the rest alone by default")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(1));
        for (char const* code : {"3", "0", "4"})
            test.spawn(quiet(probe(w, "exit", code)));
        for (int i = 0; i < 3; ++i)
            test.next();
        test.wait_all();
        test.finish();
        CHECK(test.all_ended == error_code());
        REQUIRE(test.results.size() == 3);
        CHECK(test.results[0].status.code() == 3);
        CHECK(test.results[1].status.code() == 0);
        CHECK(test.results[2].status.code() == 4);
    }
}

TEST_CASE("the first failure stops the rest, where that is asked for")
{
    for (auto const& w : all_ways())
        for (int signal : {0, SIGKILL}) {
            CAPTURE(w);
            CAPTURE(signal);
            leaves_nothing guard;
            side_channel side;
            test_group test(limited(3, failure_policy::stop_rest));
            test.spawn(pausing(w));
            test.spawn(probe(w, "--to=3", "exit-on", term, "0").fd(3, side.child_end()));
            test.until([&] { return test.members.size() == 2; });
            CHECK(side.line() == "ready");
            test.spawn(signal == 0 ? quiet(probe(w, "exit", "1")) : quiet(probe(w, "raise", std::to_string(signal))));
            test.spawn(pausing(w)); // waits
            test.wait_all();
            for (int i = 0; i < 4; ++i)
                test.next();
            test.finish();
            CHECK(test.all_ended == error_code());
            CHECK(test.spawned[3] == aborted);
            REQUIRE(test.results.size() == 4);
            CHECK(test.results[0].index == 2);
            for (int i : {1, 2}) {
                auto const& result = test.results[static_cast<std::size_t>(i)];
                CHECK((result.index == 0 ? result.status.signal() == SIGTERM : result.status.success()));
            }
            CHECK(test.told[3] == asio::error::eof);
            CHECK(test.group->spawn(pausing(w)).error() == aborted);
        }
}

TEST_CASE("a spawn that fails is told, is no result, and stops nobody")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        test_group test(limited(1, failure_policy::stop_rest));
        test.spawn(quiet(probe(w, "exit", "0")));
        for (int i = 0; i < 3; ++i)
            test.spawn(command("/nowhere").backend(w.backend).reaper(w.reaper));
        test.spawn(quiet(probe(w, "exit", "0")));
        test.wait_all();
        for (int i = 0; i < 3; ++i)
            test.next();
        test.finish();
        CHECK(test.all_ended == error_code());
        CHECK(stage_of(test.spawned[1].value()) == spawn_stage::exec);
        CHECK(stage_of(test.spawned[3].value()) == spawn_stage::exec);
        CHECK(test.spawned[4] == error_code());
        REQUIRE(test.results.size() == 3);
        CHECK(test.results[1].index == 1);
        CHECK(test.told[2] == asio::error::eof);
    }
}

TEST_CASE("what can't be run in a group is refused")
{
    test_group test(limited(1));
    for (int child_fd : {0, 3})
        CHECK(test.group->spawn(command("true").fd(child_fd, stdio::piped())).error() == std::errc::invalid_argument);
    test.spawn(command("true").terminal());
    test.finish();
    CHECK(test.spawned[0].value() == std::errc::invalid_argument);

    auto wrong = limited(1);
    wrong.stop = stop_plan(12345, 1s);
    for (auto const& options : {limited(0), wrong})
        CHECK(child_group(test.context, options).spawn(command("true")).error() == std::errc::invalid_argument);
}

TEST_CASE("200 quick children pass through a limit of 8")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            child_group group(ex, limited(8));
            std::set<pid_t> alive;
            std::size_t most = 0;
            for (int i = 0; i < 200; ++i) {
                auto const one = co_await group.async_spawn(quiet(probe(by, "exit", std::to_string(i))));
                alive.insert(one.id);
                std::erase_if(alive, [](pid_t pid) { return !exists(pid); });
                most = std::max(most, alive.size());
            }
            CHECK(most <= 8);
            co_await group.async_wait_all();
            CHECK_FALSE(has_children());
            std::set<int> codes;
            for (int i = 0; i < 200; ++i) {
                auto const one = co_await group.async_next();
                CHECK(one.status.code() == static_cast<int>(one.index));
                codes.insert(one.status.code().value());
            }
            CHECK(codes.size() == 200);
        }(w));
    }
}

TEST_CASE("many threads may share a group" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::thread_pool pool(4);
        child_group group(pool, limited(3));
        std::atomic<int> begun = 0, ended = 0;
        for (int i = 0; i < 40; ++i) {
            group.async_spawn(quiet(probe(w, "exit", "0")), [&](error_code ec, group_child) { begun += !ec.failed(); });
            group.async_next([&](error_code ec, group_result) { ended += !ec.failed(); });
        }
        group.async_wait_all(asio::use_future).get();
        CHECK(group.running() == 0);
        pool.join();
        CHECK(begun == 40);
        CHECK(ended == 40);
    }
}

TEST_SUITE_END();
