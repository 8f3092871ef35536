// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/orphans.hpp"
#include "support/support.hpp"

#include <boost/asio/thread_pool.hpp>

#include <memory>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("lifetime");

TEST_CASE("a child that is dropped is killed and reaped")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context; // which nobody runs
        auto const pid = spawn(context, probe(w, "ignore", std::to_string(SIGTERM))).value().id();
        CHECK(eventually([&] { return !exists(pid); }));
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("a child that has ended is dropped without a trace")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        {
            asio::io_context context;
            auto const child = spawn(context, probe(w, "exit", "0")).value();
            REQUIRE(eventually([&] { return !is_alive(child.id()); }));
        }
        CHECK(eventually([&] { return !has_children(); }));
    }
}

TEST_CASE("a detached child runs on, keeps no loop at work, and is reaped at its end" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        pid_t pid = 0;
        {
            auto cmd = probe(w, "pause");
            auto child = spawn(context, cmd.out(stdio::null())).value();
            pid = child.id();
            child.detach();
        }
        context.run_for(60s);
        CHECK(context.stopped());
        CHECK(is_alive(pid));
        REQUIRE(::kill(pid, SIGKILL) == 0);
        CHECK(eventually([&] { return !exists(pid); }));
    }
}

TEST_CASE("a change of credentials does not wait for the library's threads" * needs_threads())
{
    asio::io_context context;
    auto cmd = probe(all_ways().front(), "pause");
    child kept = spawn(context, cmd.out(stdio::null())).value();
    pid_t const pid = kept.id();
    kept.detach();
    {
        auto const dropped = std::move(kept);
    }
    REQUIRE(brood::detail::has_orphans());
    CHECK(::setresuid(uid_t(-1), uid_t(-1), uid_t(-1)) == 0); // which asks every thread
    REQUIRE(::kill(pid, SIGKILL) == 0);
    CHECK(eventually([&] { return !exists(pid); }));
}

TEST_CASE("a pending wait completes though the child was dropped")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        std::optional<int> told;
        {
            auto cmd = probe(w, "pause");
            auto child = spawn(context, cmd.out(stdio::null())).value();
            child.async_wait([&](error_code, exit_status status) { told = status.signal(); });
        }
        context.run_for(60s);
        CHECK(told == SIGKILL);
        CHECK(eventually([] { return !has_children(); }));
    }
}

TEST_CASE("a child may be moved while waits are pending")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "wait", "4");
        auto first = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        int told = 0;
        auto const wait = [&](child& c) {
            c.async_wait([&](error_code, exit_status status) { told += status.code() == 4; });
        };
        wait(first);
        child second = std::move(first);
        wait(second);
        auto third = std::make_unique<child>(std::move(second));
        wait(*third);
        third->in().close();
        context.run_for(60s);
        CHECK(told == 3);
    }
}

TEST_CASE("assigning to a child drops the one it was")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto const start = [&] {
            auto cmd = probe(w, "pause");
            return spawn(context, cmd.out(stdio::null())).value();
        };
        child c = start();
        pid_t const first = c.id();
        c = start();
        CHECK(eventually([&] { return !exists(first); }));
        CHECK(is_alive(c.id()));
    }
}

TEST_CASE("a moved-from child answers every call with an error or nothing")
{
    asio::io_context context;
    auto child = spawn(context, probe(all_ways().front(), "exit", "0")).value();
    auto const taken = std::move(child);
    CHECK(child.id() == 0);
    CHECK(child.native_handle() == -1);
    CHECK(child.wait().error() == std::errc::no_child_process);
    CHECK(child.try_wait().error() == std::errc::no_child_process);
    CHECK(child.kill().error() == std::errc::no_such_process);
    CHECK(child.signal(SIGTERM).error() == std::errc::no_such_process);
    CHECK(child.signal_group(SIGTERM).error() == std::errc::no_such_process);
    CHECK_FALSE(child.usage());
    CHECK_FALSE(child.in().is_open());
    CHECK_FALSE(child.out().is_open());
    CHECK_FALSE(child.err().is_open());
    child.detach();
    CHECK(child.get_executor() == context.get_executor());
    int failed = 0;
    auto const count = [&](error_code ec, exit_status) { failed += ec == std::errc::no_child_process; };
    child.async_wait(count);
    child.async_kill(count);
    child.async_stop({}, count);
    CHECK(failed == 0);
    context.run_for(60s);
    CHECK(failed == 3);
}

TEST_CASE("a loop may be destroyed before its children")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        pid_t pid = 0;
        auto const token = std::make_shared<int>();
        bool invoked = false;
        {
            std::optional<child> survivor;
            {
                asio::io_context context;
                auto cmd = probe(w, "pause");
                cmd.in(stdio::piped()).out(stdio::piped()).err(stdio::piped());
                survivor = spawn(context, cmd).value();
                pid = survivor->id();
                survivor->async_wait([&invoked, token](error_code, exit_status) { invoked = true; });
                survivor->async_stop({}, [&invoked, token](error_code, exit_status) { invoked = true; });
                CHECK(token.use_count() == 3);
            }
            CHECK_FALSE(invoked);
            CHECK(token.use_count() == 1); // the handlers were destroyed
            CHECK(survivor->id() == pid);
        }
        CHECK(eventually([&] { return !exists(pid); }));
    }
}

TEST_CASE("a handler destroyed with its loop may own the child")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        pid_t pid = 0;
        {
            asio::io_context context;
            auto cmd = probe(w, "pause");
            auto owned = std::make_shared<child>(spawn(context, cmd.out(stdio::piped())).value());
            pid = owned->id();
            auto& waited_for = *owned;
            waited_for.async_wait([owned = std::move(owned)](error_code, exit_status) {});
        }
        CHECK(eventually([&] { return !exists(pid); }));
    }
}

TEST_CASE("a coroutine destroyed with its loop takes its child along")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        pid_t pid = 0;
        {
            asio::io_context context;
            asio::co_spawn(
                context,
                [](way by, pid_t& id) -> asio::awaitable<void> {
                    auto cmd = probe(by, "pause");
                    auto child = spawn(co_await asio::this_coro::executor, cmd.out(stdio::piped())).value();
                    id = child.id();
                    co_await child.async_wait();
                }(w, pid),
                [](std::exception_ptr) {});
            context.poll();
            REQUIRE(pid != 0);
        }
        CHECK(eventually([&] { return !exists(pid); }));
    }
}

TEST_SUITE_END();
