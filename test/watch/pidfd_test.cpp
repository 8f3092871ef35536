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

std::vector<backend_config> pidfd_configs()
{
    auto configs = all_configs();
    std::erase_if(configs, [](backend_config const& config) { return config.watcher != exit_watcher::pidfd; });
    return configs;
}

// Waits until the child is a zombie, without reaping it.
void await_zombie(pid_t pid)
{
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
}

} // namespace

TEST_SUITE_BEGIN("pidfd");

TEST_CASE("pidfd: a forked copy of the event loop does not consume an exit" * needs_pidfd())
{
    for_each(pidfd_configs(), [&](backend_config const& config) {
        asio::io_context context;
        auto child = spawn(context, probe(config, "exit", "3")).value();
        std::optional<exit_status> reported;
        child.async_wait([&](error_code, exit_status status) { reported = status; });
        await_zombie(child.id());

        context.notify_fork(asio::io_context::fork_prepare);
        pid_t const copy = ::fork();
        REQUIRE(copy >= 0);
        if (copy == 0) {
            context.notify_fork(asio::io_context::fork_child);
            context.run_for(60s);
            ::_exit(reported ? 0 : 1); // the wait of the copy must complete, too
        }
        context.notify_fork(asio::io_context::fork_parent);
        int status = 0;
        CHECK(::waitpid(copy, &status, 0) == copy);
        CHECK(exit_status::from_raw(status).success());
        CHECK_FALSE(reported);

        context.run_for(60s);
        REQUIRE(reported);
        CHECK(reported->code() == 3);
    });
}

// A sanitizer detects a stale registration in the copy.
TEST_CASE("pidfd: a forked copy of the event loop reports no exit for a destroyed child" * needs_pidfd())
{
    for_each(pidfd_configs(), [&](backend_config const& config) {
        asio::io_context context;
        auto destroyed = spawn(context, probe(config, "exit", "0")).value();
        auto cmd = probe(config, "pause");
        auto other = spawn(context, cmd.out(stdio::null())).value();
        asio::cancellation_signal cancelled;
        destroyed.async_wait(asio::bind_cancellation_slot(cancelled.slot(), [](error_code, exit_status) {}));
        other.async_wait([](error_code, exit_status) {});
        cancelled.emit(asio::cancellation_type::terminal);
        await_zombie(destroyed.id());
        // The duplicate keeps the pidfd registered and readable after the child object is destroyed.
        int const duplicate = ::dup(destroyed.native_handle());
        int pipe[2];
        REQUIRE(::pipe(pipe) == 0);

        context.notify_fork(asio::io_context::fork_prepare);
        pid_t const copy = ::fork();
        REQUIRE(copy >= 0);
        if (copy == 0) {
            context.notify_fork(asio::io_context::fork_child);
            (void)brood::child(std::move(destroyed));
            char byte;
            bool const notified = ::read(pipe[0], &byte, 1) == 1;
            context.poll();
            ::_exit(notified ? 0 : 1);
        }
        context.notify_fork(asio::io_context::fork_parent);
        CHECK(destroyed.wait().value().success());
        CHECK(::write(pipe[1], "", 1) == 1);
        int status = 0;
        CHECK(::waitpid(copy, &status, 0) == copy);
        CHECK(exit_status::from_raw(status).success());
        for (int fd : {duplicate, pipe[0], pipe[1]})
            ::close(fd);
    });
}

TEST_CASE("pidfd: more exits than one epoll_wait returns are all reported" * needs_pidfd())
{
    for_each(pidfd_configs(), [&](backend_config const& config) {
        asio::io_context context;
        std::vector<brood::child> children;
        int matches = 0;
        for (int i = 0; i < 100; ++i) {
            auto cmd = probe(config, "exit", std::to_string(i));
            children.push_back(spawn(context, cmd.watcher(exit_watcher::pidfd)).value());
            children.back().async_wait(
                [&, i](error_code ec, exit_status status) { matches += !ec.failed() && status.code() == i; });
        }
        for (auto const& child : children)
            await_zombie(child.id());
        context.run_for(60s);
        CHECK(matches == 100);
    });
}

TEST_CASE("pidfd: a wait after a cancelled wait reports an exit that happened before the cancellation" * needs_pidfd())
{
    for_each(pidfd_configs(), [&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "exit", "0");
        auto child = spawn(context, cmd.watcher(exit_watcher::pidfd)).value();
        asio::cancellation_signal cancelled;
        std::vector<error_code> errors;
        child.async_wait(
            asio::bind_cancellation_slot(cancelled.slot(), [&](error_code ec, exit_status) { errors.push_back(ec); }));
        await_zombie(child.id());
        cancelled.emit(asio::cancellation_type::terminal);
        context.run_for(60s);
        CHECK(errors == std::vector<error_code>{asio::error::operation_aborted});

        context.restart();
        child.async_wait([&](error_code ec, exit_status status) {
            errors.push_back(ec);
            CHECK(status.success());
        });
        context.run_for(60s);
        CHECK(errors.size() == 2);
        CHECK_FALSE(errors.back().failed());
    });
}

TEST_SUITE_END();
