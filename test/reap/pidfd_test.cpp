// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>

#include <optional>

#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// Until the child can be reaped, which it then still can.
void await_end(pid_t pid)
{
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
}

} // namespace

TEST_SUITE_BEGIN("pidfd");

TEST_CASE("a fork of this process that runs its copy of the loop takes no end away" * needs_pidfd())
{
    asio::io_context context;
    auto child = spawn(context, probe({}, "exit", "3")).value();
    std::optional<exit_status> told;
    child.async_wait([&](error_code, exit_status status) { told = status; });
    await_end(child.id());

    context.notify_fork(asio::io_context::fork_prepare);
    pid_t const copy = ::fork();
    REQUIRE(copy >= 0);
    if (copy == 0) {
        context.notify_fork(asio::io_context::fork_child);
        context.run_for(60s);
        ::_exit(told ? 0 : 1); // of a child that is not its own it is told something, too
    }
    context.notify_fork(asio::io_context::fork_parent);
    int status = 0;
    CHECK(::waitpid(copy, &status, 0) == copy);
    CHECK(exit_status::from_raw(status).success());
    CHECK_FALSE(told);

    context.run_for(60s);
    REQUIRE(told);
    CHECK(told->code() == 3);
}

// What is left of it there, a sanitizer sees.
TEST_CASE("a fork of this process is told nothing of a child that it has dropped" * needs_pidfd())
{
    asio::io_context context;
    auto dropped = spawn(context, probe({}, "exit", "0")).value();
    auto cmd = probe({}, "pause");
    auto other = spawn(context, cmd.out(stdio::null())).value();
    asio::cancellation_signal cancelled;
    dropped.async_wait(asio::bind_cancellation_slot(cancelled.slot(), [](error_code, exit_status) {}));
    other.async_wait([](error_code, exit_status) {});
    cancelled.emit(asio::cancellation_type::terminal);
    await_end(dropped.id());
    int const kept = ::dup(dropped.native_handle()); // so that the end of the one that is dropped is told still
    int reaped[2];
    REQUIRE(::pipe(reaped) == 0);

    context.notify_fork(asio::io_context::fork_prepare);
    pid_t const copy = ::fork();
    REQUIRE(copy >= 0);
    if (copy == 0) {
        context.notify_fork(asio::io_context::fork_child);
        (void)brood::child(std::move(dropped));
        char byte;
        bool const told = ::read(reaped[0], &byte, 1) == 1;
        context.poll();
        ::_exit(told ? 0 : 1);
    }
    context.notify_fork(asio::io_context::fork_parent);
    CHECK(dropped.wait().value().success());
    CHECK(::write(reaped[1], "", 1) == 1);
    int status = 0;
    CHECK(::waitpid(copy, &status, 0) == copy);
    CHECK(exit_status::from_raw(status).success());
    for (int fd : {kept, reaped[0], reaped[1]})
        ::close(fd);
}

TEST_CASE("more children end at once than are told in one turn" * needs_pidfd())
{
    asio::io_context context;
    std::vector<brood::child> children;
    int right = 0;
    for (int i = 0; i < 100; ++i) {
        auto cmd = probe({}, "exit", std::to_string(i));
        children.push_back(spawn(context, cmd.reaper(exit_reaper::pidfd)).value());
        children.back().async_wait(
            [&, i](error_code ec, exit_status status) { right += !ec.failed() && status.code() == i; });
    }
    for (auto const& one : children)
        await_end(one.id());
    context.run_for(60s);
    CHECK(right == 100);
}

TEST_CASE("a wait that was cancelled before the end leaves the next one to be told" * needs_pidfd())
{
    asio::io_context context;
    auto cmd = probe({}, "exit", "0");
    auto child = spawn(context, cmd.reaper(exit_reaper::pidfd)).value();
    asio::cancellation_signal cancelled;
    std::vector<error_code> told;
    child.async_wait(
        asio::bind_cancellation_slot(cancelled.slot(), [&](error_code ec, exit_status) { told.push_back(ec); }));
    await_end(child.id());
    cancelled.emit(asio::cancellation_type::terminal);
    context.run_for(60s);
    CHECK(told == std::vector<error_code>{asio::error::operation_aborted});

    context.restart();
    child.async_wait([&](error_code ec, exit_status status) {
        told.push_back(ec);
        CHECK(status.success());
    });
    context.run_for(60s);
    CHECK(told.size() == 2);
    CHECK_FALSE(told.back().failed());
}

TEST_SUITE_END();
