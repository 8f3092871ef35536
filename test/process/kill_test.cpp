// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/ordinary_user.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <brood/pipeline.hpp>

#include <cerrno>
#include <vector>

#include <signal.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

// Spawns a child and waits until it has set its signal dispositions.
asio::awaitable<brood::child> spawn_ready(command cmd)
{
    auto child = spawn(co_await asio::this_coro::executor, cmd.out(stdio::piped())).value();
    CHECK(co_await read_line(child.out()) == "ready");
    co_return child;
}

std::string number(int n) { return std::to_string(n); }

} // namespace

TEST_SUITE_BEGIN("kill");

TEST_CASE("kill: async_kill kills a child and waits for it")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto child = co_await spawn_ready(probe(config, "ignore", number(SIGTERM)));
        CHECK((co_await child.async_kill()).signal() == SIGKILL);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("kill: after the exit, kill succeeds and signal reports no_such_process")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto child = spawn(context, probe(config, "exit", "0")).value();
        CHECK(child.wait());
        CHECK(child.kill());
        CHECK(child.signal(SIGTERM).error() == std::errc::no_such_process);
        CHECK(child.signal_group(SIGTERM).error() == std::errc::no_such_process);
        CHECK(child.signal(0).error() == std::errc::no_such_process);
    });
}

TEST_CASE("kill: a zombie counts as exited and keeps its status")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto child = spawn(context, probe(config, "exit", "8")).value();
        REQUIRE(eventually([&] { return !is_alive(child.id()); }));
        CHECK(child.signal(SIGTERM).error() == std::errc::no_such_process);
        CHECK(child.kill());
        CHECK(child.wait().value().code() == 8);
    });
}

TEST_CASE("kill: signal sends a signal, accepts 0, and rejects invalid numbers")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto child = co_await spawn_ready(probe(config, "exit-on", number(SIGUSR1), "33"));
        CHECK(child.signal(0));
        for (int bad : {-1, 65, 1000, -SIGKILL})
            CHECK(child.signal(bad).error() == std::errc::invalid_argument);
        CHECK(is_alive(child.id()));
        CHECK(child.signal(SIGUSR1));
        CHECK((co_await child.async_wait()).code() == 33);
    });
}

TEST_CASE("kill: async_stop sends each signal of its plan before SIGKILL")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto obedient = co_await spawn_ready(probe(config, "exit-on", number(SIGTERM), "12"));
        CHECK((co_await obedient.async_stop()).code() == 12);

        auto stubborn = co_await spawn_ready(probe(config, "ignore", number(SIGTERM)));
        CHECK((co_await stubborn.async_stop(stop_plan(SIGTERM, 10ms))).signal() == SIGKILL);
        result<exit_status> const again = co_await stubborn.async_stop(as_result);
        CHECK(again.value().signal() == SIGKILL);

        auto selective = co_await spawn_ready(probe(config, "exit-on", number(SIGUSR2), "13"));
        CHECK(selective.signal(SIGCONT));
        auto const plan = stop_plan(SIGCONT, 1ms).then(SIGWINCH, 1ms).then(SIGUSR2, 60s);
        CHECK((co_await selective.async_stop(plan)).code() == 13);

        auto doomed = co_await spawn_ready(probe(config, "ignore", number(SIGTERM)));
        CHECK((co_await doomed.async_stop(stop_plan(std::vector<stop_step>()))).signal() == SIGKILL);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("kill: async_stop rejects a plan with an invalid signal")
{
    run([]() -> asio::awaitable<void> {
        auto child = co_await spawn_ready(probe(all_configs().front(), "ignore", number(SIGTERM)));
        auto const status = co_await child.async_stop(stop_plan(1234, 1s), as_result);
        CHECK(status.error() == std::errc::invalid_argument);
        CHECK(is_alive(child.id()));
    }());
}

TEST_CASE("kill: a cancelled async_stop sends no further signal")
{
    for (auto type :
         {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
        CAPTURE(type);
        for_each_config([&](backend_config const& config) {
            asio::io_context context;
            std::optional<child> stubborn;
            run_on(context, [](backend_config started_by, std::optional<child>& started) -> asio::awaitable<void> {
                started = co_await spawn_ready(probe(started_by, "ignore", number(SIGTERM)));
            }(config, stubborn));
            asio::cancellation_signal cancel;
            std::optional<error_code> error;
            stubborn->async_stop(
                stop_plan(SIGTERM, 50ms),
                asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, exit_status) { error = ec; }));
            cancel.emit(type);
            context.restart();
            context.run_for(60s); // returns when no timer and no wait is left
            CHECK(error == error_code(asio::error::operation_aborted));
            CHECK(is_alive(stubborn->id()));
        });
    }
}

TEST_CASE("kill: signal_group and async_stop reach a grandchild in the child's group")
{
    for (bool stop : {false, true}) {
        CAPTURE(stop);
        for_each_config([stop](backend_config const& config) -> asio::awaitable<void> {
            auto cmd = probe(config, "family");
            cmd.process_group().out(stdio::piped());
            auto child = spawn(co_await asio::this_coro::executor, cmd).value();
            pid_t const grandchild = std::stoi(co_await read_line(child.out()));
            CHECK(is_alive(grandchild));
            if (stop) {
                CHECK((co_await child.async_stop()).signal() == SIGTERM);
            } else {
                CHECK(child.signal_group(SIGUSR1));
                CHECK((co_await child.async_wait()).signal() == SIGUSR1);
            }
            CHECK(eventually([&] { return !is_alive(grandchild); }));
        });
    }
}

TEST_CASE("kill: signal_group signals only the child if it has no group of its own")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto child = co_await spawn_ready(probe(config, "pause"));
        CHECK(child.signal_group(SIGUSR1)); // a group signal would also kill this process
        CHECK((co_await child.async_wait()).signal() == SIGUSR1);
    });
}

TEST_CASE("kill: signal_group and async_stop reach a child that has left the group that it led")
{
    for (bool stop : {false, true}) {
        CAPTURE(stop);
        for_each_config([stop](backend_config const& config) -> asio::awaitable<void> {
            auto child = co_await spawn_ready(probe(config, "leave-group").process_group());
            REQUIRE(::getpgid(child.id()) == ::getpgid(0));
            if (stop) {
                CHECK((co_await child.async_stop(stop_plan(SIGTERM, 1h))).signal() == SIGTERM);
            } else {
                CHECK(child.signal_group(SIGUSR1));
                CHECK((co_await child.async_wait()).signal() == SIGUSR1);
            }
        });
    }
}

TEST_CASE("kill: async_stop continues a stopped child")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto child = co_await spawn_ready(probe(config, "exit-on", number(SIGTERM), "12"));
        CHECK(child.signal(SIGSTOP));
        siginfo_t info{};
        REQUIRE(::waitid(P_PID, static_cast<id_t>(child.id()), &info, WSTOPPED | WNOWAIT) == 0);
        CHECK((co_await child.async_stop(stop_plan(SIGTERM, 1h))).code() == 12);
    });
}

TEST_CASE("kill: a step of async_stop with signal 0 only waits")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto child = co_await spawn_ready(probe(config, "exit-on", number(SIGTERM), "12"));
        CHECK((co_await child.async_stop(stop_plan(0, 1ms).then(SIGTERM, 1h))).code() == 12);
    });
}

TEST_CASE("kill: a child that may not be signalled fails the operation")
{
    public_folder const folder;
    if (!folder.set_user_id()) {
        MESSAGE("skipped: no set-user-ID program can be installed");
        return;
    }
    ordinary_user const user;
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = folder.probe(config, "become-root");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::piped()).process_group()).value();
        std::string line;
        run_on(context, [](brood::child& started, std::string& text) -> asio::awaitable<void> {
            text = co_await read_line(started.out());
        }(child, line));
        if (line != "ready") {
            MESSAGE("skipped: the file system or a filter denies set-user-ID programs");
            return;
        }
        auto const denied = std::errc::operation_not_permitted;
        CHECK(child.signal(SIGTERM).error() == denied);
        CHECK(child.signal_group(SIGTERM).error() == denied);
        CHECK(child.kill().error() == denied);
        int failures = 0;
        auto const count = [&](error_code ec, exit_status) { failures += ec == denied; };
        child.async_kill(count);
        child.async_stop(stop_plan(SIGTERM, 1h), count);
        context.restart();
        context.run_for(60s);
        CHECK(failures == 2);
        child.in().close();
        CHECK(child.wait().value().success());
    });
}

TEST_CASE(
    "kill: a pipeline whose start fails does not wait for a stage that cannot be signalled" *
    doctest::skip(!can_deny_syscalls() || !denied_syscalls().empty()))
{
    for_each_config([](backend_config const& config) {
        forked process([&] {
            deny_syscalls("kill=EACCES,pidfd_send_signal=EACCES");
            asio::io_context context;
            auto first = probe(config, "wait", "3").in(stdio::piped());
            auto const failed = spawn(context, first | command("/nowhere"));
            return !failed && failed.error() == make_error_code(spawn_stage::exec, ENOENT) &&
                   eventually([] { return !has_children(); }); // its input has been closed
        });
        CHECK(process.succeeds());
    });
}

TEST_CASE(
    "kill: an operation that cannot signal its child completes with that error" *
    doctest::skip(!can_deny_syscalls() || !denied_syscalls().empty()))
{
    for_each_config([](backend_config const& config) {
        forked process([&] {
            deny_syscalls("kill=EACCES,pidfd_send_signal=EACCES");
            asio::io_context context;
            auto const sleep = command("/bin/sleep", "1").backend(config.backend).watcher(config.watcher);
            std::vector<error_code> errors;
            async_output(
                context, sleep, output_options().timeout(20ms), [&](error_code ec, output) { errors.push_back(ec); });
            async_output(context, sleep | sleep, output_options().timeout(20ms), [&](error_code ec, pipeline_output) {
                errors.push_back(ec);
            });
            context.run_for(60s);
            return errors == std::vector(2, error_code(EACCES, boost::system::system_category()));
        });
        CHECK(process.succeeds());
    });
}

TEST_SUITE_END();
