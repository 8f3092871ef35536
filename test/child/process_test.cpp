// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "reap/watch.hpp"
#include "support/ordinary_user.hpp"
#include "support/refuse.hpp"
#include "support/support.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <memory>
#include <thread>

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

constexpr pid_t nobodys_pid = 0x3fffffff;

command quiet(std::string const& action)
{
    command cmd(probe_path(), action);
    cmd.out(stdio::piped());
    return cmd;
}

// A child and its child, which is no child of this process's.
struct family {
    child parent;
    process grandchild;
};

family start(asio::io_context& context, std::string const& action)
{
    auto parent = spawn(context, quiet(action).in(stdio::piped())).value();
    pid_t pid = 0;
    run_on(context, [](child& told, pid_t& id) -> asio::awaitable<void> {
        id = std::stoi(co_await read_line(told.out()));
    }(parent, pid));
    context.restart();
    return {std::move(parent), open(context, pid).value()};
}

struct told {
    std::optional<error_code> ec;
    exit_status status;

    auto handler()
    {
        return [this](error_code failed, exit_status s) {
            ec = failed;
            status = s;
        };
    }
};

} // namespace

TEST_SUITE_BEGIN("process");

TEST_CASE("only a process can be opened")
{
    asio::io_context context;
    leaves_nothing guard;
    for (pid_t bad : {0, -1, -nobodys_pid})
        CHECK(open(context, bad).error() == std::errc::invalid_argument);
    auto const missing = open(context, nobodys_pid);
    REQUIRE_FALSE(missing);
    if (reap::available(exit_reaper::pidfd)) {
        if (refused().find("pidfd_open") == std::string_view::npos)
            CHECK(missing.error() == std::errc::no_such_process);
    } else {
        CHECK(missing.error() == std::errc::not_supported);
    }
}

TEST_CASE("a thread that is not the process's first is no process" * needs_threads())
{
    if (!reap::available(exit_reaper::pidfd) || !refused().empty()) {
        MESSAGE("skipped: pidfds are not to be had");
        return;
    }
    asio::io_context context;
    error_code told;
    std::thread([&] { told = open(context, static_cast<pid_t>(::syscall(SYS_gettid))).error(); }).join();
    CHECK(told == std::errc::invalid_argument);
}

TEST_CASE(
    "a grandchild that its parent reaps is waited for; its status is told where the kernel knows it" * needs_pidfd())
{
    for (bool by_wait : {false, true}) {
        CAPTURE(by_wait);
        leaves_nothing guard;
        asio::io_context context;
        auto f = start(context, "guardian");
        f.parent.in().close();
        told t;
        if (by_wait) {
            CHECK(f.grandchild.kill());
            auto const status = f.grandchild.wait();
            t.handler()(status ? error_code() : status.error(), status ? status.value() : exit_status());
        } else {
            f.grandchild.async_kill(t.handler());
            CHECK_FALSE(t.ec);
            context.run_for(60s);
        }
        REQUIRE(t.ec);
        if (t.ec->failed())
            CHECK(*t.ec == errc::status_lost);
        else
            CHECK(t.status.signal() == SIGKILL);
        CHECK(f.parent.wait().value().success()); // it could reap its child
    }
}

TEST_CASE("a grandchild that its parent never reaps has ended all the same" * needs_pidfd())
{
    for (bool by_wait : {false, true}) {
        CAPTURE(by_wait);
        leaves_nothing guard;
        asio::io_context context;
        auto f = start(context, "family");
        CHECK_FALSE(f.grandchild.try_wait().value());
        told t;
        if (by_wait) {
            CHECK(f.grandchild.kill());
            CHECK(f.grandchild.wait().error() == errc::status_lost);
        } else {
            f.grandchild.async_kill(t.handler());
            context.run_for(60s);
            CHECK(t.ec == error_code(errc::status_lost));
        }
        CHECK(exists(f.grandchild.id())); // a zombie, as before
        CHECK(f.grandchild.try_wait().error() == errc::status_lost);
        CHECK(f.grandchild.kill());
    }
}

TEST_CASE("a parent that reaps while it is waited for is in time" * needs_pidfd())
{
    leaves_nothing guard;
    asio::io_context context;
    auto f = start(context, "guardian");
    told t;
    f.grandchild.async_kill(t.handler());
    REQUIRE(eventually([&] { return !is_alive(f.grandchild.id()); }));
    context.poll(); // the end is seen
    f.parent.in().close();
    context.run_for(60s);
    REQUIRE(t.ec);
    if (t.ec->failed())
        CHECK(*t.ec == errc::status_lost);
    else
        CHECK(t.status.signal() == SIGKILL);
    CHECK(f.parent.wait().value().success());
}

TEST_CASE("a child of this process can be opened: its status is told, and it is not reaped" * needs_pidfd())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto child = spawn(context, probe(w, "exit", "9")).value();
        auto same = open(context, child.id()).value();
        CHECK(same.id() == child.id());
        told t, twin;
        same.async_wait(t.handler());
        context.run_for(60s);
        CHECK_FALSE(t.ec.value_or(errc::status_lost).failed());
        CHECK(t.status.code() == 9);
        CHECK(exists(child.id())); // nobody has reaped it
        CHECK(child.wait().value().code() == 9);

        context.restart();
        same.async_wait(twin.handler());
        context.run_for(60s);
        CHECK(twin.status.code() == 9);
        CHECK(same.native_handle() == -1);
    }
}

TEST_CASE("a child that nobody waits for by that name can be waited for by both" * needs_pidfd())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "wait", "4");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        auto same = open(context.get_executor(), child.id()).value();
        told by_child, by_process;
        child.async_wait(by_child.handler());
        same.async_wait(by_process.handler());
        child.in().close();
        context.run_for(60s);
        CHECK(by_child.status.code() == 4);
        REQUIRE(by_process.ec);
        CHECK((by_process.ec->failed() ? *by_process.ec == errc::status_lost : by_process.status.code() == 4));
    }
}

TEST_CASE("any number waits at once, and each may be cancelled alone" * needs_pidfd())
{
    leaves_nothing guard;
    asio::io_context context;
    auto child = spawn(context, quiet("pause")).value();
    auto same = open(context, child.id()).value();
    told waits[10];
    asio::cancellation_signal cancel;
    for (auto& one : waits)
        if (&one == &waits[3])
            same.async_wait(asio::bind_cancellation_slot(cancel.slot(), one.handler()));
        else
            same.async_wait(one.handler());
    cancel.emit(asio::cancellation_type::total);
    context.poll();
    for (auto& one : waits)
        CHECK(one.ec == (&one == &waits[3] ? std::optional(error_code(asio::error::operation_aborted)) : std::nullopt));
    CHECK(same.signal(0));

    auto moved = std::move(same);
    CHECK(moved.signal(SIGUSR1));
    context.run_for(60s);
    for (auto& one : waits)
        if (&one != &waits[3])
            CHECK(one.status.signal() == SIGUSR1);
}

TEST_CASE("a cancelled wait lets the loop end, and another may follow" * needs_pidfd())
{
    asio::io_context context;
    auto child = spawn(context, quiet("pause")).value();
    auto same = open(context, child.id()).value();
    asio::cancellation_signal cancel;
    told first, second;
    same.async_wait(asio::bind_cancellation_slot(cancel.slot(), first.handler()));
    cancel.emit(asio::cancellation_type::terminal);
    context.run_for(60s);
    CHECK(context.stopped());
    CHECK(first.ec == error_code(asio::error::operation_aborted));
    context.restart();
    same.async_kill(second.handler());
    context.run_for(60s);
    CHECK(second.status.signal() == SIGKILL);
}

TEST_CASE("signals mean what they mean to a child" * needs_pidfd())
{
    asio::io_context context;
    auto child = spawn(context, quiet("pause")).value();
    auto same = open(context, child.id()).value();
    CHECK(same.signal(0));
    for (int bad : {-1, 65, 1000, -SIGKILL})
        CHECK(same.signal(bad).error() == std::errc::invalid_argument);
    CHECK(same.kill());
    REQUIRE(eventually([&] { return !is_alive(same.id()); }));
    CHECK(same.kill());
    CHECK(same.signal(0).error() == std::errc::no_such_process);
    CHECK(same.signal(SIGTERM).error() == std::errc::no_such_process);
    CHECK(child.wait().value().signal() == SIGKILL); // by another than the process object
    CHECK(same.signal(SIGTERM).error() == std::errc::no_such_process);
}

TEST_CASE("somebody else's process may be waited for but not signalled" * needs_pidfd())
{
    asio::io_context context;
    auto init = open(context, 1).value();
    std::optional<error_code> by_signal, by_kill;
    told t;
    {
        ordinary_user const user;
        if (!user) {
            MESSAGE("skipped: there are no ordinary users here");
            return;
        }
        by_signal = init.signal(0).error();
        by_kill = init.kill().error();
        init.async_kill(t.handler());
    }
    context.run_for(60s);
    CHECK(*by_signal == std::errc::operation_not_permitted);
    CHECK(*by_kill == std::errc::operation_not_permitted);
    CHECK(t.ec.value_or(error_code()) == std::errc::operation_not_permitted);
    CHECK_FALSE(init.try_wait().value());
}

TEST_CASE("the end of the object is not that of the process, and pending waits go on" * needs_pidfd())
{
    asio::io_context context;
    auto child = spawn(context, quiet("pause")).value();
    told t;
    {
        auto same = open(context, child.id()).value();
        same.async_wait(t.handler());
    }
    context.poll();
    CHECK_FALSE(t.ec);
    CHECK(is_alive(child.id()));
    CHECK(child.kill());
    context.run_for(60s);
    CHECK(t.status.signal() == SIGKILL);
}

TEST_CASE("a loop may be destroyed before its processes" * needs_pidfd())
{
    leaves_nothing guard;
    asio::io_context other;
    auto child = spawn(other, quiet("pause")).value();
    auto const token = std::make_shared<int>();
    std::optional<process> survivor;
    {
        asio::io_context context;
        survivor = open(context, child.id()).value();
        survivor->async_wait([token](error_code, exit_status) { CHECK(false); });
        CHECK(token.use_count() == 2);
    }
    CHECK(token.use_count() == 1);
    CHECK(survivor->id() == child.id());
    CHECK(survivor->kill());
    CHECK(survivor->wait().value().signal() == SIGKILL);
}

TEST_CASE("a moved-from process answers every call with an error or nothing" * needs_pidfd())
{
    asio::io_context context;
    auto self = open(context, ::getpid()).value();
    CHECK(self.native_handle() >= 0);
    auto const taken = std::move(self);
    CHECK(self.id() == 0);
    CHECK(self.native_handle() == -1);
    CHECK(self.wait().error() == std::errc::no_such_process);
    CHECK(self.try_wait().error() == std::errc::no_such_process);
    CHECK(self.kill().error() == std::errc::no_such_process);
    CHECK(self.signal(0).error() == std::errc::no_such_process);
    CHECK(self.get_executor() == context.get_executor());
    told wait, kill;
    self.async_wait(wait.handler());
    self.async_kill(kill.handler());
    CHECK_FALSE(wait.ec);
    context.run_for(60s);
    CHECK(wait.ec.value_or(error_code()) == std::errc::no_such_process);
    CHECK(kill.ec.value_or(error_code()) == std::errc::no_such_process);
}

TEST_CASE("processes have the executor and the tokens that other I/O objects have" * needs_pidfd())
{
    using executor = asio::io_context::executor_type;
    static_assert(std::same_as<process::executor_type, asio::any_io_executor>);
    static_assert(std::same_as<process::rebind_executor<executor>::other, basic_process<executor>>);
    asio::io_context context;
    run_on(context, [](executor ex) -> asio::awaitable<void> {
        auto child = spawn(ex, command(probe_path(), "exit", "7")).value();
        basic_process<executor> narrow = open(ex, child.id()).value();
        process wide = std::move(narrow);
        CHECK((co_await wide.async_wait()).code() == 7);
        result<exit_status> const folded = co_await wide.async_wait(as_result);
        CHECK(folded.value().code() == 7);
        auto const tuple = co_await wide.async_kill(asio::as_tuple(asio::deferred));
        CHECK(std::get<1>(tuple).code() == 7);
    }(context.get_executor()));
}

TEST_SUITE_END();
