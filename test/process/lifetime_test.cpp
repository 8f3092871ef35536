// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/background_reaper.hpp"
#include "support/forked.hpp"
#include "support/ordinary_user.hpp"
#include "support/support.hpp"
#include "support/system.hpp"

#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

asio::awaitable<void> spawn_and_wait(backend_config config, pid_t& pid)
{
    auto cmd = probe(config, "pause");
    auto child = spawn(co_await asio::this_coro::executor, cmd.out(stdio::piped())).value();
    pid = child.id();
    co_await child.async_wait();
}

// The threads of this process. ThreadSanitizer starts one.
rlim_t count_threads()
{
    std::error_code ignored;
    rlim_t count = 0;
    for (std::filesystem::directory_iterator entry("/proc/self/task", ignored), end; entry != end; ++entry)
        ++count;
    return std::max<rlim_t>(count, 1);
}

// Some versions of Asio shut the services of every context down twice.
struct context_shut_down_twice : asio::io_context {
    ~context_shut_down_twice() { shutdown(); }
};

} // namespace

TEST_SUITE_BEGIN("lifetime");

TEST_CASE("lifetime: the destructor kills the child, and the library reaps it")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context; // never runs
        auto const pid = spawn(context, probe(config, "ignore", std::to_string(SIGTERM))).value().id();
        CHECK(eventually([&] { return !exists(pid); }));
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("lifetime: destroying the object of a zombie reaps it")
{
    for_each_config([&](backend_config const& config) {
        {
            asio::io_context context;
            auto const child = spawn(context, probe(config, "exit", "0")).value();
            REQUIRE(eventually([&] { return !is_alive(child.id()); }));
        }
        CHECK(eventually([&] { return !has_children(); }));
    });
}

TEST_CASE(
    "lifetime: a detached child keeps running, adds no work to the loop, and is reaped after its exit" *
    needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        pid_t pid = 0;
        {
            auto cmd = probe(config, "pause");
            auto child = spawn(context, cmd.out(stdio::null())).value();
            pid = child.id();
            child.detach();
        }
        context.run_for(60s);
        CHECK(context.stopped());
        CHECK(is_alive(pid));
        REQUIRE(::kill(pid, SIGKILL) == 0);
        CHECK(eventually([&] { return !exists(pid); }));
    });
}

TEST_CASE("lifetime: setresuid does not wait for the background reaper" * needs_threads())
{
    asio::io_context context;
    auto cmd = probe(all_configs().front(), "pause");
    child detached = spawn(context, cmd.out(stdio::null())).value();
    pid_t const pid = detached.id();
    detached.detach();
    {
        auto const destroyed = std::move(detached);
    }
    REQUIRE(brood::detail::is_reaping_in_background());
    CHECK(::setreuid(uid_t(-1), uid_t(-1)) == 0); // the C library signals every thread and waits for each
    REQUIRE(::kill(pid, SIGKILL) == 0);
    CHECK(eventually([&] { return !exists(pid); }));
}

TEST_CASE("lifetime: a pending wait completes after the child object was destroyed")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        std::optional<int> signal;
        {
            auto cmd = probe(config, "pause");
            auto child = spawn(context, cmd.out(stdio::null())).value();
            child.async_wait([&](error_code, exit_status status) { signal = status.signal(); });
        }
        context.run_for(60s);
        CHECK(signal == SIGKILL);
    });
}

TEST_CASE("lifetime: a child may be moved while waits are pending")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "wait", "4");
        auto first = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        int completed = 0;
        auto const wait = [&](child& moved) {
            moved.async_wait([&](error_code, exit_status status) { completed += status.code() == 4; });
        };
        wait(first);
        child second = std::move(first);
        wait(second);
        auto third = std::make_unique<child>(std::move(second));
        wait(*third);
        third->in().close();
        context.run_for(60s);
        CHECK(completed == 3);
    });
}

TEST_CASE("lifetime: assignment kills the child that the object held before")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto const start = [&] {
            auto cmd = probe(config, "pause");
            return spawn(context, cmd.out(stdio::null())).value();
        };
        child current = start();
        pid_t const first = current.id();
        current = start();
        CHECK(eventually([&] { return !exists(first); }));
        CHECK(is_alive(current.id()));
    });
}

TEST_CASE("lifetime: every member of a moved-from child reports an error or an empty value")
{
    asio::io_context context;
    auto child = spawn(context, probe(all_configs().front(), "exit", "0")).value();
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
    int failures = 0;
    auto const count = [&](error_code ec, exit_status) { failures += ec == std::errc::no_child_process; };
    child.async_wait(count);
    child.async_kill(count);
    child.async_stop({}, count);
    CHECK(failures == 0);
    context.run_for(60s);
    CHECK(failures == 3);
}

TEST_CASE("lifetime: an event loop may be destroyed before the streams of an object without a child")
{
    std::optional<child> moved_from, taken;
    {
        asio::io_context context;
        moved_from.emplace(spawn(context, probe(all_configs().front(), "exit", "0")).value());
        taken.emplace(std::move(*moved_from));
        CHECK_FALSE(moved_from->in().is_open());
        CHECK_FALSE(moved_from->channel(3).is_open());
        auto const also_moved_from = std::move(*moved_from);
    }
}

TEST_CASE("lifetime: an assignment to itself keeps the child")
{
    asio::io_context context;
    auto child = spawn(context, probe(all_configs().front(), "pause")).value();
    auto& same = child;
    child = std::move(same);
    CHECK(child.id() > 0);
    CHECK_FALSE(child.try_wait().value());
    CHECK(child.kill());
    CHECK(child.wait().value().signal() == SIGKILL);
}

TEST_CASE("lifetime: an event loop may be destroyed before its children")
{
    for_each_config([&](backend_config const& config) {
        pid_t pid = 0;
        auto const token = std::make_shared<int>();
        bool invoked = false;
        {
            std::optional<child> survivor;
            {
                asio::io_context context;
                auto cmd = probe(config, "pause");
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
    });
}

TEST_CASE("lifetime: a context may be shut down twice")
{
    for_each_config([&](backend_config const& config) {
        bool invoked = false;
        std::optional<child> survivor;
        {
            context_shut_down_twice context;
            auto cmd = probe(config, "pause");
            survivor = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
            survivor->async_wait([&invoked](error_code, exit_status) { invoked = true; });
            child without_wait = spawn(context, cmd).value();
            child ended = spawn(context, probe(config, "exit", "0")).value();
            CHECK(ended.wait().value().success());
        }
        CHECK_FALSE(invoked);
        CHECK(survivor->kill());
        CHECK(survivor->wait().value().signal() == SIGKILL);
    });
}

TEST_CASE("lifetime: a handler that owns the child may be destroyed with the event loop")
{
    for_each_config([&](backend_config const& config) {
        pid_t pid = 0;
        {
            asio::io_context context;
            auto cmd = probe(config, "pause");
            auto owned = std::make_shared<child>(spawn(context, cmd.out(stdio::piped())).value());
            pid = owned->id();
            auto& waited_for = *owned;
            waited_for.async_wait([owned = std::move(owned)](error_code, exit_status) {});
        }
        CHECK(eventually([&] { return !exists(pid); }));
    });
}

TEST_CASE("lifetime: a coroutine destroyed with the event loop destroys its child")
{
    for_each_config([&](backend_config const& config) {
        pid_t pid = 0;
        {
            asio::io_context context;
            asio::co_spawn(context, spawn_and_wait(config, pid), [](std::exception_ptr) {});
            context.poll();
            REQUIRE(pid != 0);
        }
        CHECK(eventually([&] { return !exists(pid); }));
    });
}

TEST_CASE("lifetime: after release, waits are notified by SIGCHLD and the pidfd belongs to the caller")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "wait", "4");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        int completed = 0;
        auto const count = [&](error_code, exit_status status) { completed += status.code() == 4; };
        child.async_wait(count);
        int const expected = child.native_handle();
        int const pidfd = child.release();
        CHECK(pidfd == expected);
        CHECK(child.native_handle() == -1);
        CHECK(child.release() == -1);
        CHECK(child.signal(0));
        child.async_wait(count);
        child.in().close();
        context.run_for(60s);
        CHECK(completed == 2);
        if (pidfd >= 0)
            CHECK(::close(pidfd) == 0);
    });
}

TEST_CASE("lifetime: without a thread, detached children are reaped by the next spawn" * needs_threads())
{
    forked copy([] {
        uid_t const user = 20'000 + static_cast<uid_t>(::getpid()) % 40'000;
        public_folder const folder;
        if (::geteuid() != 0 || !system::become_user(user, false))
            return true; // needs root to have a user of its own
        asio::io_context context;
        pid_t pid = 0;
        {
            auto child = spawn(context, folder.probe(all_backends().front(), "wait", "0").in(stdio::piped()));
            pid = child.value().id();
            rlimit const none{1, 1};
            ::setrlimit(RLIMIT_NPROC, &none);
            child.value().detach(); // reads the end of its input now
        }
        bool const ended = eventually([&] { return !is_alive(pid); }); // if it ends during `detach`, that reaps it
        (void)spawn(context, command("/nowhere"));
        return ended && !has_children();
    });
    CHECK(copy.succeeds());
}

TEST_CASE("lifetime: a start that exceeds the number of processes reaps children that have ended, and is repeated")
{
    for_each_backend([](backend_config const& config) {
        forked copy([&] {
            uid_t const user = 20'000 + static_cast<uid_t>(::getpid()) % 40'000;
            public_folder const folder;
            if (::geteuid() != 0 || !system::become_user(user, false))
                return true; // needs root to have a user of its own
            asio::io_context context;
            auto ended = spawn(context, folder.probe(config, "exit", "3"));
            siginfo_t info{};
            ::waitid(P_PID, static_cast<id_t>(ended.value().id()), &info, WEXITED | WNOWAIT);
            rlim_t const processes = count_threads() + 1; // until it is reaped, the child that has ended counts, too
            rlimit const limit{processes, processes};
            ::setrlimit(RLIMIT_NPROC, &limit);
            auto next = spawn(context, folder.probe(config, "exit", "4"));
            return next && next.value().wait().value().code() == 4 && ended.value().wait().value().code() == 3;
        });
        CHECK(copy.succeeds());
    });
}

TEST_SUITE_END();
