// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"
#include "process/process.hpp"
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/ordinary_user.hpp"
#include "support/support.hpp"
#include "support/system.hpp"
#include "watch/watch.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <memory>
#include <thread>

#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

constexpr pid_t unused_pid = 0x3fffffff;

command piped_probe(std::string const& action)
{
    command cmd(probe_path(), action);
    cmd.out(stdio::piped());
    return cmd;
}

// A child and its own child, which is not a child of this process.
struct family {
    child parent;
    process grandchild;
};

family spawn_family(asio::io_context& context, std::string const& action)
{
    auto parent = spawn(context, piped_probe(action).in(stdio::piped())).value();
    pid_t pid = 0;
    run_on(context, [](child& spawned, pid_t& id) -> asio::awaitable<void> {
        id = std::stoi(co_await read_line(spawned.out()));
    }(parent, pid));
    context.restart();
    return {std::move(parent), open_process(context, pid).value()};
}

// Time in which the parent of a process that has ended may reap it. A test that takes longer proves nothing.
constexpr auto reap_grace = 250ms;

// Records the completion of a wait.
struct completion {
    std::optional<error_code> error;
    exit_status status;

    auto handler()
    {
        return [this](error_code ec, exit_status reported) {
            error = ec;
            status = reported;
        };
    }
};

} // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE("process: open_process rejects pids that are not positive or not in use")
{
    asio::io_context context;
    leak_check const leaks;
    for (pid_t bad : {0, -1, -unused_pid})
        CHECK(open_process(context, bad).error() == std::errc::invalid_argument);
    auto const missing = open_process(context, unused_pid);
    REQUIRE_FALSE(missing);
    if (detail::available(exit_watcher::pidfd)) {
        if (denied_syscalls().find("pidfd_open") == std::string_view::npos)
            CHECK(missing.error() == std::errc::no_such_process);
    } else {
        CHECK(missing.error() == std::errc::not_supported);
    }
}

TEST_CASE("process: open_process rejects a thread that is not the leader" * needs_threads())
{
    if (!detail::available(exit_watcher::pidfd) || !denied_syscalls().empty()) {
        MESSAGE("skipped: pidfds are not available");
        return;
    }
    asio::io_context context;
    error_code error;
    std::thread([&] { error = open_process(context, system::thread_id()).error(); }).join();
    CHECK(error == std::errc::invalid_argument);
}

TEST_CASE("process: a grandchild reaped by its parent reports its status if the kernel supports it" * needs_pidfd())
{
    for (bool blocking : {false, true}) {
        CAPTURE(blocking);
        asio::io_context context;
        auto family = spawn_family(context, "guardian");
        family.parent.in().close();
        completion wait;
        auto const start = std::chrono::steady_clock::now();
        if (blocking) {
            CHECK(family.grandchild.kill());
            auto const status = family.grandchild.wait();
            wait.handler()(status ? error_code() : status.error(), status ? status.value() : exit_status());
        } else {
            family.grandchild.async_kill(wait.handler());
            CHECK_FALSE(wait.error);
            context.run_for(60s);
        }
        bool const in_time = std::chrono::steady_clock::now() - start < reap_grace;
        REQUIRE(wait.error);
        CHECK(*wait.error == (wait.error->failed() ? error_code(errc::status_lost) : error_code()));
        if (in_time && recalls_status())
            CHECK(wait.status.signal() == SIGKILL);
        CHECK(family.parent.wait().value().success()); // the parent has reaped the grandchild
    }
}

TEST_CASE("process: a wait fails if poll(2) fails, and can be tried again" * needs_pidfd())
{
    asio::io_context context;
    auto child = spawn(context, command(probe_path(), "pause")).value();
    auto process = open_process(context, child.id()).value();
    completion wait, second;
    process.async_wait(wait.handler());
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit const none{0, before.rlim_max}; // for poll(2), too
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    auto const polled = process.try_wait();
    auto const waited = process.wait();
    process.async_wait(second.handler());
    context.run_for(20ms);
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(polled.error() == std::errc::invalid_argument);
    CHECK(waited.error() == std::errc::invalid_argument);
    CHECK(second.error == std::errc::invalid_argument);
    CHECK_FALSE(process.try_wait().value()); // it still runs
    CHECK_FALSE(wait.error);
    CHECK(process.kill());
    context.restart();
    context.run_for(1min);
    CHECK(wait.error);
    CHECK(child.wait().value().signal() == SIGKILL);
}

TEST_CASE("process: a wait whose descriptor is ready fails if poll(2) fails" * needs_pidfd())
{
    asio::io_context context;
    auto child = spawn(context, command(probe_path(), "pause")).value();
    auto process = open_process(context, child.id()).value();
    completion wait;
    process.async_wait(wait.handler());
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit const none{0, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    ::kill(child.id(), SIGKILL);
    context.run_for(1min);
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(wait.error == std::errc::invalid_argument);
    CHECK(child.wait().value().signal() == SIGKILL);
}

TEST_CASE("process: signals do not prolong the wait for a parent that does not reap" * needs_pidfd())
{
    asio::io_context context;
    auto family = spawn_family(context, "family");
    forked waiting([&] {
        ::signal(SIGALRM, [](int) {});
        itimerval const often{{0, 50'000}, {0, 50'000}};
        ::setitimer(ITIMER_REAL, &often, nullptr);
        asio::io_context own;
        auto process = open_process(own, family.grandchild.id()).value();
        return process.kill() && process.wait().error() == errc::status_lost;
    });
    CHECK(waiting.succeeds());
}

TEST_CASE("process: a grandchild that is never reaped completes with status_lost" * needs_pidfd())
{
    for (bool blocking : {false, true}) {
        CAPTURE(blocking);
        asio::io_context context;
        auto family = spawn_family(context, "family");
        CHECK_FALSE(family.grandchild.try_wait().value());
        completion wait;
        if (blocking) {
            CHECK(family.grandchild.kill());
            CHECK(family.grandchild.wait().error() == errc::status_lost);
        } else {
            family.grandchild.async_kill(wait.handler());
            context.run_for(60s);
            CHECK(wait.error == error_code(errc::status_lost));
        }
        CHECK(exists(family.grandchild.id())); // still a zombie
        CHECK(family.grandchild.try_wait().error() == errc::status_lost);
        CHECK(family.grandchild.kill());
    }
}

TEST_CASE("process: a pending wait completes when the parent reaps later" * needs_pidfd())
{
    leak_check const leaks;
    asio::io_context context;
    auto family = spawn_family(context, "guardian");
    completion wait;
    auto const start = std::chrono::steady_clock::now();
    family.grandchild.async_kill(wait.handler());
    REQUIRE(eventually([&] { return !is_alive(family.grandchild.id()); }));
    context.poll(); // the pidfd has reported the exit
    family.parent.in().close();
    context.run_for(60s);
    bool const in_time = std::chrono::steady_clock::now() - start < reap_grace;
    REQUIRE(wait.error);
    CHECK(*wait.error == (wait.error->failed() ? error_code(errc::status_lost) : error_code()));
    if (in_time && recalls_status())
        CHECK(wait.status.signal() == SIGKILL);
    CHECK(family.parent.wait().value().success());
}

TEST_CASE("process: a child of this process reports its status and is not reaped" * needs_pidfd())
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto child = spawn(context, probe(config, "exit", "9")).value();
        auto same = open_process(context, child.id()).value();
        CHECK(same.id() == child.id());
        completion wait, second;
        same.async_wait(wait.handler());
        context.run_for(60s);
        CHECK_FALSE(wait.error.value_or(errc::status_lost).failed());
        CHECK(wait.status.code() == 9);
        CHECK(exists(child.id())); // not reaped
        CHECK(child.wait().value().code() == 9);

        context.restart();
        same.async_wait(second.handler());
        context.run_for(60s);
        CHECK(second.status.code() == 9);
        CHECK(same.native_handle() == -1);
    });
}

TEST_CASE("process: a child can be awaited both as a child and as a process" * needs_pidfd())
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "wait", "4");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        auto same = open_process(context.get_executor(), child.id()).value();
        completion child_wait, process_wait;
        child.async_wait(child_wait.handler());
        same.async_wait(process_wait.handler());
        child.in().close();
        context.run_for(60s);
        CHECK(child_wait.status.code() == 4);
        REQUIRE(process_wait.error);
        CHECK((
            process_wait.error->failed() ? *process_wait.error == errc::status_lost : process_wait.status.code() == 4));
    });
}

TEST_CASE("process: several waits may be pending, and each can be cancelled" * needs_pidfd())
{
    leak_check const leaks;
    asio::io_context context;
    auto child = spawn(context, piped_probe("pause")).value();
    auto same = open_process(context, child.id()).value();
    completion waits[10];
    asio::cancellation_signal cancel;
    for (auto& each : waits)
        if (&each == &waits[3])
            same.async_wait(asio::bind_cancellation_slot(cancel.slot(), each.handler()));
        else
            same.async_wait(each.handler());
    cancel.emit(asio::cancellation_type::total);
    context.poll();
    for (auto& each : waits)
        CHECK(
            each.error ==
            (&each == &waits[3] ? std::optional(error_code(asio::error::operation_aborted)) : std::nullopt));
    CHECK(same.signal(0));

    auto moved = std::move(same);
    CHECK(moved.signal(SIGUSR1));
    context.run_for(60s);
    for (auto& each : waits)
        if (&each != &waits[3])
            CHECK(each.status.signal() == SIGUSR1);
}

TEST_CASE("process: a cancellation slot does not keep the state of a process alive" * needs_pidfd())
{
    asio::io_context context;
    asio::cancellation_signal cancel;
    completion wait;
    auto const state = std::make_shared<detail::process_state>(context.get_executor());
    state->assign(::getpid(), os::open_pidfd(::getpid()).value());
    auto const before = state.use_count();
    state->async_wait(asio::bind_cancellation_slot(cancel.slot(), wait.handler()));
    CHECK(state.use_count() == before + 1); // the watch
    cancel.emit(asio::cancellation_type::terminal);
    context.poll();
    CHECK(state.use_count() == before);
}

TEST_CASE("process: the event loop ends after a cancelled wait, and another wait can follow" * needs_pidfd())
{
    asio::io_context context;
    auto child = spawn(context, piped_probe("pause")).value();
    auto same = open_process(context, child.id()).value();
    asio::cancellation_signal cancel;
    completion first, second;
    same.async_wait(asio::bind_cancellation_slot(cancel.slot(), first.handler()));
    cancel.emit(asio::cancellation_type::terminal);
    context.run_for(60s);
    CHECK(context.stopped());
    CHECK(first.error == error_code(asio::error::operation_aborted));
    context.restart();
    same.async_kill(second.handler());
    context.run_for(60s);
    CHECK(second.status.signal() == SIGKILL);
}

TEST_CASE("process: signal and kill behave as for a child" * needs_pidfd())
{
    asio::io_context context;
    auto child = spawn(context, piped_probe("pause")).value();
    auto same = open_process(context, child.id()).value();
    CHECK(same.signal(0));
    for (int bad : {-1, 65, 1000, -SIGKILL})
        CHECK(same.signal(bad).error() == std::errc::invalid_argument);
    CHECK(same.kill());
    REQUIRE(eventually([&] { return !is_alive(same.id()); }));
    CHECK(same.kill());
    CHECK(same.signal(0).error() == std::errc::no_such_process);
    CHECK(same.signal(SIGTERM).error() == std::errc::no_such_process);
    CHECK(child.wait().value().signal() == SIGKILL); // the child object reaps it
    CHECK(same.signal(SIGTERM).error() == std::errc::no_such_process);
}

TEST_CASE("process: a process of another user can be awaited but not signalled" * needs_pidfd())
{
    asio::io_context context;
    auto init = open_process(context, 1).value();
    std::optional<error_code> by_signal, by_kill;
    completion wait;
    {
        ordinary_user const user;
        if (!user) {
            MESSAGE("skipped: cannot switch to an ordinary user");
            return;
        }
        by_signal = init.signal(0).error();
        by_kill = init.kill().error();
        init.async_kill(wait.handler());
    }
    context.run_for(60s);
    CHECK(*by_signal == std::errc::operation_not_permitted);
    CHECK(*by_kill == std::errc::operation_not_permitted);
    CHECK(wait.error.value_or(error_code()) == std::errc::operation_not_permitted);
    CHECK_FALSE(init.try_wait().value());
}

TEST_CASE("process: the destructor affects neither the process nor pending waits" * needs_pidfd())
{
    asio::io_context context;
    auto child = spawn(context, piped_probe("pause")).value();
    completion wait;
    {
        auto same = open_process(context, child.id()).value();
        same.async_wait(wait.handler());
    }
    context.poll();
    CHECK_FALSE(wait.error);
    CHECK(is_alive(child.id()));
    CHECK(child.kill());
    context.run_for(60s);
    CHECK(wait.status.signal() == SIGKILL);
}

TEST_CASE("process: an event loop may be destroyed before its processes" * needs_pidfd())
{
    leak_check const leaks;
    asio::io_context other;
    auto child = spawn(other, piped_probe("pause")).value();
    auto const token = std::make_shared<int>();
    std::optional<process> survivor;
    {
        asio::io_context context;
        survivor = open_process(context, child.id()).value();
        survivor->async_wait([token](error_code, exit_status) { CHECK(false); });
        CHECK(token.use_count() == 2);
    }
    CHECK(token.use_count() == 1);
    CHECK(survivor->id() == child.id());
    CHECK(survivor->kill());
    CHECK(survivor->wait().value().signal() == SIGKILL);
}

TEST_CASE("process: every member of a moved-from process reports an error or an empty value" * needs_pidfd())
{
    asio::io_context context;
    auto self = open_process(context, ::getpid()).value();
    CHECK(self.native_handle() >= 0);
    auto const taken = std::move(self);
    CHECK(self.id() == 0);
    CHECK(self.native_handle() == -1);
    CHECK(self.wait().error() == std::errc::no_such_process);
    CHECK(self.try_wait().error() == std::errc::no_such_process);
    CHECK(self.kill().error() == std::errc::no_such_process);
    CHECK(self.signal(0).error() == std::errc::no_such_process);
    CHECK(self.get_executor() == context.get_executor());
    completion wait, kill;
    self.async_wait(wait.handler());
    self.async_kill(kill.handler());
    CHECK_FALSE(wait.error);
    context.run_for(60s);
    CHECK(wait.error.value_or(error_code()) == std::errc::no_such_process);
    CHECK(kill.error.value_or(error_code()) == std::errc::no_such_process);
}

TEST_CASE("process: supports the executor and token customizations of Asio I/O objects" * needs_pidfd())
{
    using executor = asio::io_context::executor_type;
    static_assert(std::same_as<process::executor_type, asio::any_io_executor>);
    static_assert(std::same_as<process::rebind_executor<executor>::other, basic_process<executor>>);
    asio::io_context context;
    run_on(context, [](executor ex) -> asio::awaitable<void> {
        auto child = spawn(ex, command(probe_path(), "exit", "7")).value();
        basic_process<executor> narrow = open_process(ex, child.id()).value();
        process wide = std::move(narrow);
        CHECK((co_await wide.async_wait()).code() == 7);
        result<exit_status> const folded = co_await wide.async_wait(as_result);
        CHECK(folded.value().code() == 7);
        auto const tuple = co_await wide.async_kill(asio::as_tuple(asio::deferred));
        CHECK(std::get<1>(tuple).code() == 7);
    }(context.get_executor()));
}

TEST_SUITE_END();
