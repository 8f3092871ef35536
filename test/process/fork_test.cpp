// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/background_reaper.hpp"
#include "support/forked.hpp"
#include "support/start_gate.hpp"

#include <atomic>
#include <mutex>
#include <thread>

using namespace brood;
using namespace test;

namespace {

// Detaches and drops children on a context of its own. Returns whether all have been reaped.
bool leave_children(backend_config const& config)
{
    asio::io_context context;
    for (int i = 0; i < 20; ++i) {
        auto detached = spawn(context, probe(config, "exit", "0"));
        if (!detached)
            return false;
        detached.value().detach();
        auto cmd = probe(config, "pause");
        if (i < 5 && !spawn(context, cmd.out(stdio::null())))
            return false;
    }
    return eventually([] { return !has_children(); });
}

// Whether a child with this exit code is reported by a context.
bool reports_exit(asio::io_context& context, backend_config const& config, int code)
{
    std::optional<exit_status> reported;
    async_run(
        context, probe(config, "exit", std::to_string(code)), [&](error_code, exit_status end) { reported = end; });
    context.restart();
    while (!reported && context.run_one_for(60s) > 0) {}
    return reported && reported->code() == code;
}

// A child that exits at the end of its input. No stream of the context is open.
struct waiting_child {
    waiting_child(asio::io_context& context, backend_config const& config)
    {
        auto cmd = probe(config, "wait", "3").in(stdio::fd(input.first.get()));
        child = spawn(context, cmd.out(stdio::null())).value();
        input.first.reset();
    }

    os::fd_pair input = os::make_pipe().value();
    std::optional<brood::child> child;
};

} // namespace

TEST_SUITE_BEGIN("fork");

TEST_CASE("fork: both processes reap the children that they drop and detach" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        CHECK(leave_children(config)); // the background reaper exists
        REQUIRE(eventually([] { return !detail::is_reaping_in_background(); }));
        forked copy([&] { return leave_children(config); });
        asio::io_context context;
        CHECK(reports_exit(context, config, 5));
        for (int i = 0; i < 20; ++i)
            spawn(context, probe(config, "exit", "0")).value().detach();
        CHECK(copy.succeeds());
    });
}

TEST_CASE("fork: a process forked while a detached child lives reaps its own children" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        pid_t pid = 0;
        {
            auto cmd = probe(config, "pause");
            auto detached = spawn(context, cmd.out(stdio::null())).value();
            pid = detached.id();
            detached.detach();
        }
        REQUIRE(detail::is_reaping_in_background());
        std::this_thread::sleep_for(50ms); // AddressSanitizer's allocator must not be forked while that thread starts
        forked copy([&] { return !detail::is_reaping_in_background() && leave_children(config); });
        CHECK(copy.succeeds());
        CHECK(is_alive(pid));
        REQUIRE(::kill(pid, SIGKILL) == 0);
    });
}

TEST_CASE("fork: after notify_fork, a context works in both processes")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        waiting_child waiting(context, config);
        std::optional<exit_status> reported;
        error_code error;
        waiting.child->async_wait([&](error_code ec, exit_status status) {
            error = ec;
            reported = status;
        });
        context.notify_fork(asio::io_context::fork_prepare);
        forked copy([&] {
            context.notify_fork(asio::io_context::fork_child);
            if (!reports_exit(context, config, 6))
                return false;
            if (config.watcher != exit_watcher::sigchld)
                return true;
            // The child is not this process's: a wait for SIGCHLD would never complete.
            while (!error.failed() && context.run_one_for(60s) > 0) {}
            return error == errc::status_lost;
        });
        context.notify_fork(asio::io_context::fork_parent);
        CHECK(copy.succeeds());
        CHECK_FALSE(reported);
        CHECK(reports_exit(context, config, 7));
        waiting.input.second.reset();
        context.restart();
        context.run_for(60s);
        REQUIRE(reported);
        CHECK(reported->code() == 3);
    });
}

TEST_CASE("fork: a process forked while another thread holds the environment mutex starts children" * needs_threads())
{
    std::atomic<bool> done = false;
    std::thread other([&] {
        while (!done) {
            {
                std::lock_guard const lock(environment_mutex());
                std::this_thread::sleep_for(1ms);
            }
            std::this_thread::sleep_for(1ms);
        }
    });
    bool succeeded = true;
    for (int i = 0; succeeded && i < 20; ++i) {
        forked copy([] {
            ::alarm(30); // ends a process that waits for the mutex
            asio::io_context context;
            auto child = spawn(context, command(probe_path(), "exit", "0"));
            return child && child.value().wait().value().success();
        });
        succeeded = copy.succeeds();
    }
    done = true;
    other.join();
    CHECK(succeeded);
}

TEST_CASE("fork: a forked process that destroys its copies does not affect the parent")
{
    for_each_config([](backend_config const& config) {
        auto context = std::make_unique<asio::io_context>();
        waiting_child waiting(*context, config);
        auto& waited_for = waiting.child;
        std::optional<exit_status> reported;
        waited_for->async_wait([&](error_code, exit_status status) { reported = status; });
        forked copy([&] {
            bool const signalled = waited_for->kill().has_value(); // as after the end
            waited_for.reset();
            context.reset();
            asio::io_context fresh;
            return signalled && reports_exit(fresh, config, 6);
        });
        CHECK(copy.succeeds());
        CHECK(is_alive(waited_for->id()));
        waiting.input.second.reset();
        context->run_for(60s);
        REQUIRE(reported);
        CHECK(reported->code() == 3);
    });
}

TEST_CASE("fork: a start does not wait for a process that was forked meanwhile" * needs_threads())
{
    leak_check const leaks;
    start_gate gate;
    asio::io_context context;
    std::optional<error_code> error;
    std::string out;
    command const held = gate.hold(command(probe_path(), "write", "1", "text"));
    async_output(context, held, [&](error_code ec, output result) {
        error = ec;
        out = std::move(result.out);
    });
    bool spawned = false;
    async_spawn(context, held, [&](error_code ec, child) { spawned = !ec.failed(); });
    std::optional<error_code> line_error;
    async_run(
        context, held | command(probe_path(), "copy").out(stdio::null()),
        [&](error_code ec, std::vector<exit_status> const&) { line_error = ec; });
    forked const copy(pause_for_ever);
    gate.open();
    context.run_for(60s);
    CHECK(error == error_code());
    CHECK(out == "text");
    CHECK(spawned);
    CHECK(line_error == error_code());
    CHECK(eventually([] { return !detail::is_reaping_in_background(); }));
}

TEST_CASE("fork: no operation waits for processes that another thread forks" * needs_threads())
{
    leak_check const leaks;
    std::vector<std::unique_ptr<forked>> copies;
    std::atomic<bool> done = false;
    std::thread other([&] {
        for (int i = 0; i < 30; ++i)
            copies.push_back(std::make_unique<forked>(pause_for_ever));
        done = true;
    });
    for (auto const& config : all_backends())
        for (int i = 0; i < 10 || !done; ++i) {
            asio::io_context context;
            std::optional<error_code> error;
            async_output(
                context, probe(config, "write", "1", "text") | probe(config, "copy"),
                [&](error_code ec, auto) { error = ec; });
            context.run_for(60s);
            REQUIRE(error == error_code());
            CHECK(spawn(context, probe(config, "exit", "0")).value().wait());
        }
    other.join();
}

TEST_SUITE_END();
