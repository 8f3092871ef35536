// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_group.hpp"
#include "support/side_channel.hpp"

#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <set>

#include <fcntl.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

std::string const term = std::to_string(SIGTERM);
error_code const aborted = asio::error::operation_aborted;

} // namespace

TEST_SUITE_BEGIN("child group");

TEST_CASE("child_group: at most max_running children run, and queued children start in order")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(2));
        for (int i = 0; i < 5; ++i)
            test.spawn(pausing(config));
        CHECK(test.spawn_errors[0] == std::nullopt); // not inline
        for (std::size_t started = 2; started <= 5; ++started) {
            test.run_until([&] { return test.children.size() >= started; });
            test.context.poll();
            CHECK(test.children.size() == started);
            CHECK(test.group->running() == 2);
            CHECK(test.spawn_errors[started - 1] == error_code());
            CHECK(test.children.back().index == started - 1);
            ::kill(test.children[started - 2].id, SIGKILL);
            if (started < 5) {
                CHECK(is_alive(test.children[started - 1].id));
                CHECK(test.spawn_errors[started] == std::nullopt);
            }
        }
        ::kill(test.children.back().id, SIGKILL);
        test.wait_all();
        test.finish();
        CHECK(test.wait_error == error_code());
        CHECK(test.group->running() == 0);
    });
}

TEST_CASE("child_group: spawn fails when max_running children run")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        auto const child = test.group->spawn(pausing(config));
        REQUIRE(child);
        CHECK(test.group->spawn(pausing(config)).error() == std::errc::resource_unavailable_try_again);
        test.wait_all();
        ::kill(child.value().id, SIGKILL);
        test.finish();
        CHECK(test.group->spawn(quiet(probe(config, "exit", "0"))).value().index == 2); // every call counts
        test.wait_all();
        test.finish();
    });
}

TEST_CASE("child_group: async_next returns each result once, in the order of the exits, then eof")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(3));
        for (int i = 0; i < 3; ++i)
            test.spawn(pausing(config));
        test.run_until([&] { return test.children.size() == 3; });
        test.next();
        for (std::size_t index : {2u, 0u, 1u}) { // the last two results are stored until async_next takes them
            auto const before = test.group->running();
            ::kill(test.children[index].id, SIGKILL);
            test.run_until([&] { return test.group->running() < before; });
        }
        for (int i = 0; i < 3; ++i)
            test.next();
        test.finish();
        REQUIRE(test.results.size() == 4);
        CHECK(test.results[0].index == 2);
        CHECK(test.results[0].id == test.children[2].id);
        CHECK(test.results[0].status.signal() == SIGKILL);
        CHECK(test.results[0].usage);
        CHECK(test.results[1].index == 0);
        CHECK(test.results[2].index == 1);
        CHECK_FALSE(test.next_errors[2].failed());
        CHECK(test.next_errors[3] == asio::error::eof);
    });
}

TEST_CASE("child_group: by default, the other children run on after a failure")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        for (char const* code : {"3", "0", "4"})
            test.spawn(quiet(probe(config, "exit", code)));
        for (int i = 0; i < 3; ++i)
            test.next();
        test.wait_all();
        test.finish();
        CHECK(test.wait_error == error_code());
        REQUIRE(test.results.size() == 3);
        CHECK(test.results[0].status.code() == 3);
        CHECK(test.results[1].status.code() == 0);
        CHECK(test.results[2].status.code() == 4);
    });
}

TEST_CASE("child_group: with stop_rest, the first failure stops the other children")
{
    for (int signal : {0, SIGKILL}) {
        CAPTURE(signal);
        for_each_config([&](backend_config const& config) {
            side_channel side;
            running_group test(at_most(3, failure_policy::stop_rest));
            test.spawn(pausing(config));
            test.spawn(probe(config, "--to=3", "exit-on", term, "0").fd(3, side.child_end()));
            test.run_until([&] { return test.children.size() == 2; });
            CHECK(side.line() == "ready");
            test.spawn(
                quiet(signal == 0 ? probe(config, "exit", "1") : probe(config, "raise", std::to_string(signal))));
            test.spawn(pausing(config)); // queued
            test.wait_all();
            for (int i = 0; i < 4; ++i)
                test.next();
            test.finish();
            CHECK(test.wait_error == error_code());
            CHECK(test.spawn_errors[3] == aborted);
            REQUIRE(test.results.size() == 4);
            CHECK(test.results[0].index == 2);
            for (std::size_t i : {1u, 2u}) {
                auto const& result = test.results[i];
                CHECK((result.index == 0 ? result.status.signal() == SIGTERM : result.status.success()));
            }
            CHECK(test.next_errors[3] == asio::error::eof);
            CHECK(test.group->spawn(pausing(config)).error() == aborted);
        });
    }
}

TEST_CASE("child_group: a failed spawn is reported by async_spawn only and stops no child")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1, failure_policy::stop_rest));
        test.spawn(quiet(probe(config, "exit", "0")));
        for (int i = 0; i < 3; ++i)
            test.spawn(command("/nowhere").backend(config.backend).watcher(config.watcher));
        test.spawn(quiet(probe(config, "exit", "0")));
        test.wait_all();
        for (int i = 0; i < 3; ++i)
            test.next();
        test.finish();
        CHECK(test.wait_error == error_code());
        CHECK(stage_of(test.spawn_errors[1].value()) == spawn_stage::exec);
        CHECK(stage_of(test.spawn_errors[3].value()) == spawn_stage::exec);
        CHECK(test.spawn_errors[4] == error_code());
        REQUIRE(test.results.size() == 3);
        CHECK(test.results[1].index == 4);
        for (std::size_t i : {1u, 2u, 3u}) {
            CHECK(test.children[i].index == i);
            CHECK(test.children[i].id == 0);
        }
        CHECK(test.next_errors[2] == asio::error::eof);
    });
}

TEST_CASE("child_group: commands and options that a group does not support are refused")
{
    running_group test(at_most(1));
    for (int child_fd : {0, 3}) {
        CAPTURE(child_fd);
        CHECK(test.group->spawn(command("true").fd(child_fd, stdio::piped())).error() == errc::unexpected_pipe);
    }
    test.spawn(command("true").terminal());
    test.finish();
    CHECK(test.spawn_errors[0].value() == std::errc::invalid_argument);

    auto const invalid_plan = at_most(1).each(output_options().stop(stop_plan(12345, 1s)));
    for (auto const& options : {at_most(0), invalid_plan})
        CHECK(child_group(test.context, options).spawn(command("true")).error() == std::errc::invalid_argument);
}

TEST_CASE("child_group: at most 8 of 200 short-lived children run at the same time")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        child_group group(ex, at_most(8));
        std::set<pid_t> alive;
        std::size_t most = 0;
        for (int i = 0; i < 200; ++i) {
            auto const child = co_await group.async_spawn(quiet(probe(config, "exit", std::to_string(i))));
            alive.insert(child.id);
            std::erase_if(alive, [](pid_t pid) { return !exists(pid); });
            most = std::max(most, alive.size());
        }
        CHECK(most <= 8);
        co_await group.async_wait_all();
        CHECK_FALSE(has_children());
        std::set<int> codes;
        for (int i = 0; i < 200; ++i) {
            auto const result = co_await group.async_next();
            CHECK(result.status.code() == static_cast<int>(result.index));
            codes.insert(result.status.code().value());
        }
        CHECK(codes.size() == 200);
    });
}

TEST_CASE("child_group: several threads may run the context of a group" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        asio::thread_pool pool(4);
        child_group group(pool, at_most(3));
        std::atomic<int> started = 0, ended = 0;
        for (int i = 0; i < 40; ++i) {
            group.async_spawn(
                quiet(probe(config, "exit", "0")), [&](error_code ec, group_child) { started += !ec.failed(); });
            group.async_next([&](error_code ec, group_result) { ended += !ec.failed(); });
        }
        group.async_wait_all(asio::use_future).get();
        CHECK(group.running() == 0);
        pool.join();
        CHECK(started == 40);
        CHECK(ended == 40);
    });
}

TEST_CASE("child_group: the caller may close the descriptors of a queued command")
{
    for_each_config([](backend_config const& config) {
        scratch_folder folder;
        running_group test(at_most(1));
        test.spawn(pausing(config));
        int const fd = ::open(folder.write("own", "").c_str(), O_WRONLY | O_CLOEXEC);
        test.spawn(probe(config, "write", "1", "text").out(stdio::fd(fd)));
        test.spawn(probe(config, "--to=9", "name").fd(9, stdio::fd(fd)));
        test.spawn(probe(config, "name").out(stdio::fd(12345)));
        int const other = ::open(folder.write("other", "").c_str(), O_WRONLY | O_CLOEXEC);
        REQUIRE(::dup2(other, fd) == fd); // another file has the number now
        test.run_until([&] { return test.children.size() == 2; });
        CHECK(stage_of(*test.spawn_errors[3]) == spawn_stage::stdio);
        CHECK(*test.spawn_errors[3] == std::errc::bad_file_descriptor);
        ::kill(test.children[0].id != 0 ? test.children[0].id : test.children[1].id, SIGKILL);
        test.finish();
        ::close(other);
        ::close(fd);
        CHECK(folder.read("own") == "text" + probe_path());
        CHECK(folder.read("other") == "");
    });
}

TEST_SUITE_END();
