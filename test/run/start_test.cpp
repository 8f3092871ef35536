// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"
#include "support/no_descriptors.hpp"
#include "support/running_operation.hpp"
#include "support/side_channel.hpp"
#include "support/start_gate.hpp"
#include "watch/watch.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

std::string const term = std::to_string(SIGTERM);
error_code const aborted = asio::error::operation_aborted;

/// The gate holds a child in a pre_exec hook, and hooks require a fork.
std::vector<backend_config> const fork_only{{spawn_backend::fork, exit_watcher::automatic}};

/// Two probes. The first one waits at the gate.
pipeline with_held_stage(backend_config const& config, start_gate const& gate)
{
    return gate.hold(probe(config, "pause")) | probe(config, "pause").out(stdio::null());
}

/// The `async_run` of a pipeline.
class running_pipeline : public running_operation<std::vector<exit_status>> {
public:
    explicit running_pipeline(pipeline line)
    {
        async_run(context, std::move(line), handler());
        CHECK_FALSE(done);
    }
};

/// Runs all handlers that are ready while a child waits at the gate.
template <class Operation>
void poll_while_held(Operation& op)
{
    REQUIRE(eventually(has_children));
    op.context.restart();
    op.context.poll();
    CHECK_FALSE(op.done);
}

} // namespace

TEST_SUITE_BEGIN("start");

TEST_CASE("start: children that are being started do not block the event loop" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        start_gate gate;
        asio::io_context context;
        int completed = 0;
        auto const held = gate.hold(probe(config, "exit", "0"));
        std::vector<exit_status> const two_successes(2, exit_status::from_raw(0));
        async_run(
            context, held, [&](error_code ec, exit_status status) { completed += !ec.failed() && status.success(); });
        async_output(
            context, held, [&](error_code ec, output result) { completed += !ec.failed() && result.status.success(); });
        async_run(context, held | held, [&](error_code ec, std::vector<exit_status> statuses) {
            completed += !ec.failed() && statuses == two_successes;
        });
        async_output(context, held | held, [&](error_code ec, pipeline_output result) {
            completed += !ec.failed() && result.statuses == two_successes;
        });
        asio::post(context, [&] {
            CHECK(completed == 0);
            gate.open(); // not reached if a start blocked the loop
        });
        context.run_for(60s);
        CHECK(completed == 4);
    });
}

TEST_CASE("start: a child that is cancelled during its start is stopped once its program runs" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        start_gate gate;
        running_output op(gate.hold(probe(config, "pause")));
        poll_while_held(op);
        op.cancel();
        poll_while_held(op);
        gate.open();
        op.finish();
        CHECK(op.error == aborted);
        CHECK(op.result.status.signal() == SIGTERM);
    });
}

TEST_CASE("start: the timeout includes the time of the start" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        start_gate gate;
        output_options options;
        options.timeout(0s);
        running_output op(gate.hold(probe(config, "pause")), options);
        poll_while_held(op); // the timeout expires
        gate.open();
        op.finish();
        CHECK(op.error == errc::timed_out);
        CHECK(op.result.status.signal() == SIGTERM);
    });
}

TEST_CASE("start: a second cancellation ends a child whose hook does not return" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        start_gate const gate;
        running_output op(gate.hold(probe(config, "pause")));
        poll_while_held(op);
        op.cancel();
        poll_while_held(op);
        op.cancel();
        op.finish();
        CHECK(op.error == aborted);
        CHECK(op.result.status.signal() == SIGKILL);
    });
}

TEST_CASE("start: a kill reaches the processes that a hook has forked" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        start_gate const gate;
        auto const forked_one = os::make_pipe().value();
        auto cmd = probe(config, "pause").process_group();
        cmd.pre_exec([&] {
            if (::fork() == 0) {
                (void)!::write(forked_one.second.get(), "!", 1);
                for (;;)
                    ::pause();
            }
            return error_code();
        });
        output_options options;
        options.stop(stop_plan(std::vector<stop_step>())).drain_grace(1h); // the streams end with the forked process
        running_output op(gate.hold(cmd), options);
        char mark;
        REQUIRE(::read(forked_one.first.get(), &mark, 1) == 1);
        op.cancel();
        op.finish();
        CHECK(op.error == aborted);
        CHECK(op.result.status.signal() == SIGKILL);
    });
}

TEST_CASE("start: a timeout ends a child whose hook does not return" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        start_gate const gate;
        output_options options;
        options.timeout(0s).stop(stop_plan(SIGTERM, 1ms));
        running_output op(gate.hold(probe(config, "pause")), options);
        op.finish();
        CHECK(op.error == errc::timed_out);
        CHECK(op.result.status.signal() == SIGKILL);
    });
}

TEST_CASE("start: a cancellation ends an async_spawn whose hook does not return" * needs_threads())
{
    for (bool at_once : {false, true}) {
        CAPTURE(at_once);
        for_each(fork_only, [&](backend_config const& config) {
            start_gate const gate;
            asio::io_context context;
            asio::cancellation_signal cancel;
            error_code error;
            auto handler = [&](error_code ec, child) {
                error = ec;
                CHECK_FALSE(has_children());
            };
            async_spawn(
                context, gate.hold(probe(config, "pause")),
                asio::bind_cancellation_slot(cancel.slot(), std::move(handler)));
            if (!at_once)
                REQUIRE(eventually(has_children));
            cancel.emit(asio::cancellation_type::terminal);
            context.run_for(60s);
            CHECK(error == aborted);
        });
    }
}

TEST_CASE("start: a second cancellation during the start kills the child and completes when it is reaped")
{
    for_each_config([](backend_config const& config) {
        output_options options;
        options.stop(stop_plan(SIGTERM, 1h));
        running_output op(probe(config, "ignore", term).signal_mask({SIGTERM}), options);
        for (int i = 0; i < 2; ++i)
            op.cancel();
        op.finish();
        CHECK(op.error == aborted);
        CHECK(op.result.status.signal() == SIGKILL);
    });
}

TEST_CASE("start: a kill reaches the child's process group even if the event loop has not handled its start")
{
    for_each_config([](backend_config const& config) {
        side_channel side;
        output_options options;
        options.stop(stop_plan(std::vector<stop_step>()));
        options.drain_grace(1h); // the streams end with the grandchild
        running_output op(probe(config, "--to=3", "family").process_group().fd(3, side.child_end()), options);
        pid_t const grandchild = std::atoi(side.line().c_str());
        REQUIRE(grandchild > 1);
        op.cancel();
        op.finish();
        CHECK(op.result.status.signal() == SIGKILL);
        CHECK(eventually([&] { return !is_alive(grandchild); }));
    });
}

TEST_CASE("start: a failed start is reported, unless the operation was cancelled before")
{
    for_each_config([](backend_config const& config) {
        auto const missing = command("/nowhere").backend(config.backend).watcher(config.watcher);
        running_output failed(missing);
        failed.finish();
        CHECK(stage_of(failed.error) == spawn_stage::exec);
        CHECK(failed.result.status == exit_status());

        running_output cancelled(missing);
        cancelled.cancel();
        cancelled.finish();
        CHECK(cancelled.error == aborted);
        auto const& status =
            cancelled.result.status; // the first step of the stop plan may end the child before its exec
        CHECK((status == exit_status() || status.signal() == SIGTERM));
    });
}

TEST_CASE("start: a run holds one descriptor of its own, from its first moment")
{
    if (denied_syscalls().find("clone3") != std::string_view::npos)
        return; // the start takes place on a thread, and a pipe reports its end
    for_each_config([](backend_config const& config) {
        if (config.backend != spawn_backend::vfork)
            return;
        bool const has_pidfd = config.watcher != exit_watcher::sigchld && detail::available(exit_watcher::pidfd);
        asio::io_context context;
        auto const run = [&] { async_run(context, probe(config, "exit", "0"), [](error_code, exit_status) {}); };
        run();
        context.run_for(60s); // has created what all runs share
        auto const before = open_descriptors().size();
        context.restart();
        run();
        CHECK(open_descriptors().size() == before + (has_pidfd ? 1 : 0));
        context.run_for(60s);
        CHECK(open_descriptors().size() == before);
    });
}

TEST_CASE("start: children that run hold no stack of this process")
{
    auto const mappings = [] {
        std::ifstream file("/proc/self/maps");
        return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
    };
    if (mappings() == 0 || denied_syscalls().find("clone3") != std::string_view::npos)
        return; // not on this system, or the start takes place on a thread, which has a stack
    for_each_config([&](backend_config const& config) {
        if (config.backend != spawn_backend::vfork)
            return;
        constexpr int count = 40;
        asio::io_context context;
        asio::cancellation_signal stop[2 * count];
        int ended = 0;
        auto const start = [&](int i) {
            async_run(
                context, probe(config, "pause").out(stdio::null()),
                asio::bind_cancellation_slot(stop[i].slot(), [&](error_code, exit_status) { ++ended; }));
        };
        auto const running = [] { // have executed their program
            std::ifstream children("/proc/thread-self/children");
            int programs = 0;
            for (std::string pid; children >> pid;)
                programs += std::filesystem::read_symlink("/proc/" + pid + "/exe") == probe_path();
            return programs;
        };
        for (int i = 0; i < count; ++i)
            start(i);
        context.poll();
        if (!eventually([&] { return running() == count; }))
            return; // the kernel does not list children
        auto const before = mappings();
        for (int i = count; i < 2 * count; ++i) {
            start(i);
            REQUIRE(eventually([&] { return running() == i + 1; })); // a child needs its stack until then
        }
        CHECK(mappings() < before + count / 2);
        for (auto& each : stop)
            each.emit(asio::cancellation_type::terminal);
        context.restart();
        context.run_for(60s);
        CHECK(ended == 2 * count);
    });
}

TEST_CASE("start: a stop before the exec ends the child, and the operation reports the signal")
{
    if (denied_syscalls().find("clone3") != std::string_view::npos)
        return; // the start takes place on a thread
    for_each_config([](backend_config const& config) {
        if (config.backend != spawn_backend::vfork)
            return; // a stop takes effect after the exec
        scratch_folder const folder;
        auto const path = folder.path("fifo");
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        auto const waiting =
            probe(config, "exit", "0").in(stdio::file(path, open_mode::read)); // open(2) waits for a writer
        asio::io_context context;
        std::optional<error_code> error;
        exit_status status;
        async_run(
            context, waiting, run_options().timeout(20ms).stop(stop_plan(SIGUSR1, 60s)),
            [&](error_code ec, exit_status ended) { error = ec, status = ended; });
        context.run_for(60s);
        REQUIRE(error);
        CHECK(*error == errc::timed_out);
        CHECK(status.signal() == SIGUSR1);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("start: before the exec, no signal is sent that would dump the memory of this process")
{
    for_each_config([](backend_config const& config) {
        if (config.backend != spawn_backend::vfork)
            return;
        scratch_folder const folder;
        auto const path = folder.path("fifo");
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        asio::io_context context;
        exit_status status;
        async_run(
            context, probe(config, "exit", "0").in(stdio::file(path, open_mode::read)),
            run_options().timeout(20ms).stop(stop_plan(SIGQUIT, 20ms)),
            [&](error_code, exit_status ended) { status = ended; });
        context.run_for(60s);
        CHECK(status.signal() != SIGQUIT);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("start: a kill reaches a child that is about to lead a group or a session")
{
    for_each_config([](backend_config const& config) {
        for (int i = 0; i < 100; ++i) {
            auto pause = probe(config, "pause").out(stdio::null());
            asio::io_context context;
            asio::cancellation_signal stop;
            std::optional<error_code> error;
            async_run(
                context, i % 2 == 0 ? pause.process_group() : pause.session(),
                run_options().stop(stop_plan(std::vector<stop_step>())),
                asio::bind_cancellation_slot(stop.slot(), [&](error_code ec, exit_status) { error = ec; }));
            context.poll();
            stop.emit(asio::cancellation_type::terminal);
            context.restart();
            context.run_for(60s);
            REQUIRE(error);
            CHECK(*error == aborted);
        }
    });
}

TEST_CASE("start: a busy program that a descriptor names is started when it is free")
{
    scratch_folder const folder;
    auto const path = folder.path("program");
    std::filesystem::copy(probe_path(), path);
    for_each_config([&](backend_config const& config) {
        if (config.backend != spawn_backend::vfork)
            return; // a failing exec of the others is tested elsewhere
        int const writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        int const reader = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        REQUIRE((writer >= 0 && reader >= 0));
        command cmd("/proc/self/fd/" + std::to_string(reader), "exit", "3");
        asio::io_context context;
        std::optional<error_code> error;
        exit_status status;
        async_run(context, cmd.backend(config.backend).watcher(config.watcher), [&](error_code ec, exit_status ended) {
            error = ec, status = ended;
        });
        context.run_for(5ms);
        ::close(writer);
        context.restart();
        context.run_for(60s);
        ::close(reader);
        REQUIRE(error);
        CHECK(*error == error_code());
        CHECK(status.code() == 3);
    });
}

TEST_CASE("start: without a free descriptor, the program is not started")
{
    scratch_folder const folder;
    auto const path = folder.path("trace");
    for (auto const watcher : {exit_watcher::automatic, exit_watcher::sigchld}) {
        asio::io_context context;
        asio::post(context, [] {});
        context.run(); // the reactor exists
        context.restart();
        std::optional<error_code> error;
        {
            no_descriptors const none;
            async_run(
                context, command("touch", path).watcher(watcher), [&](error_code ec, exit_status) { error = ec; });
        }
        context.run_for(60s);
        REQUIRE(error);
        CHECK(*error == std::errc::too_many_files_open);
        CHECK(stage_of(*error) == spawn_stage::pipe);
        CHECK_FALSE(std::filesystem::exists(path));
    }
}

TEST_CASE("start: a stage that leads a group because the earlier one has ended is stopped with its descendants")
{
    if (!knows_linux())
        return;
    struct sigaction before {};
    struct sigaction ignored {};
    ignored.sa_handler = SIG_IGN;
    ::sigaction(SIGCHLD, &ignored, &before); // the kernel reaps the earlier stages
    side_channel side;
    auto last = command("/bin/sh", "-c", "sleep 60 & echo $! >&3; sleep 60");
    asio::io_context context;
    asio::cancellation_signal stop;
    std::optional<error_code> error;
    async_run(
        context, command("true") | command("true") | last.fd(3, side.child_end()),
        run_options().stop(stop_plan(SIGTERM, 5s)),
        asio::bind_cancellation_slot(stop.slot(), [&](error_code ec, std::vector<exit_status>) { error = ec; }));
    for (int i = 0; i < 20; ++i) { // slowly: the earlier stages have ended before the last one is started
        std::this_thread::sleep_for(5ms);
        context.restart();
        context.poll_one();
    }
    pid_t const grandchild = std::atoi(side.line(context).c_str());
    REQUIRE(grandchild > 1);
    stop.emit(asio::cancellation_type::terminal);
    context.restart();
    context.run_for(60s);
    CHECK(error); // that of the cancellation, or the lost status of an earlier stage
    CHECK(eventually([&] { return !is_alive(grandchild); }));
    ::sigaction(SIGCHLD, &before, nullptr);
}

TEST_CASE("start: the last stage of a pipeline that cannot be executed ends the others")
{
    for_each_config([](backend_config const& config) {
        auto const missing = command("/nowhere").backend(config.backend).watcher(config.watcher);
        asio::io_context context;
        std::optional<error_code> error;
        auto const line = probe(config, "pause") | probe(config, "pause") | missing;
        async_output(context, line, [&](error_code ec, pipeline_output) { error = ec; });
        context.run_for(60s);
        REQUIRE(error);
        CHECK(stage_of(*error) == spawn_stage::exec);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("start: after a stage that cannot be executed, no further stage is started")
{
    for_each_config([](backend_config const& config) {
        scratch_folder const folder;
        auto const path = folder.path("trace");
        auto const missing = command("/nowhere").backend(config.backend).watcher(config.watcher);
        asio::io_context context;
        std::optional<error_code> error;
        auto const line = missing | command("touch", path).backend(config.backend).watcher(config.watcher);
        async_run(context, line, [&](error_code ec, std::vector<exit_status>) { error = ec; });
        context.run_for(60s);
        REQUIRE(error);
        CHECK(stage_of(*error) == spawn_stage::exec);
        CHECK_FALSE(std::filesystem::exists(path));
    });
}

TEST_CASE("start: a failed start has neither output nor usage")
{
    for_each_config([](backend_config const& config) {
        running_output failed(command("/nowhere").backend(config.backend).watcher(config.watcher));
        failed.finish();
        CHECK(failed.result.out.empty());
        CHECK_FALSE(failed.result.usage);
    });
}

TEST_CASE("start: a cancelled pipeline starts no further stage" * needs_threads())
{
    for (int cancellations : {1, 2}) {
        CAPTURE(cancellations);
        for_each(fork_only, [&](backend_config const& config) {
            start_gate gate;
            running_pipeline line(with_held_stage(config, gate));
            poll_while_held(line);
            for (int i = 0; i < cancellations; ++i)
                line.cancel();
            poll_while_held(line);
            gate.open();
            line.finish();
            CHECK(line.error == aborted);
            REQUIRE(line.result.size() == 2);
            CHECK(line.result[0].signal() == (cancellations == 1 ? SIGTERM : SIGKILL));
            CHECK(line.result[1] == exit_status());
        });
    }
}

TEST_CASE("start: if a stage cannot be started, the running stages are killed and its error is reported")
{
    for (bool ignores_sigterm : {false, true}) {
        CAPTURE(ignores_sigterm);
        for_each_config([&](backend_config const& config) {
            // A stage that writes may receive SIGPIPE first: its reader is the stage that cannot be started.
            auto const first =
                (ignores_sigterm ? probe(config, "--to=9", "ignore", term) : probe(config, "--to=9", "pause"))
                    .fd(9, stdio::null());
            auto const failing = probe(config, "pause").current_dir("/nowhere").out(stdio::null());
            running_pipeline line(first | first | failing);
            line.finish();
            CHECK(stage_of(line.error) == spawn_stage::directory);
            REQUIRE(line.result.size() == 3);
            CHECK(line.result[0].signal() == SIGKILL);
            CHECK(line.result[1].signal() == SIGKILL);
            CHECK(line.result[2] == exit_status());
        });
    }
}

TEST_CASE("start: a file that cannot be opened is reported before any stage is started")
{
    leak_check const leaks;
    asio::io_context context;
    auto const failing = command("true").fd(3, stdio::file("/nowhere/file", open_mode::read));
    std::optional<error_code> error;
    async_run(context, command("true") | failing, [&](error_code ec, auto const&) { error = ec; });
    CHECK_FALSE(has_children());
    CHECK_FALSE(error);
    context.run_for(60s);
    REQUIRE(error);
    CHECK(stage_of(*error) == spawn_stage::stdio);
}

TEST_CASE("start: descriptors may be closed once the initiating function has returned")
{
    for_each_config([](backend_config const& config) {
        scratch_folder folder;
        auto const path = folder.path("out");
        running_pipeline line = [&] {
            os::unique_fd const file = os::open_file(path.c_str(), open_mode::write).value();
            auto last = probe(config, "copy").out(stdio::fd(file.get()));
            return running_pipeline(probe(config, "write", "1", "text") | last);
        }();
        line.finish();
        CHECK_FALSE(line.error.failed());
        CHECK(folder.read("out") == "text");
    });
}

TEST_CASE("start: a destroyed context kills children that are being started and invokes no handler")
{
    for_each_config([](backend_config const& config) {
        auto const handler_data = std::make_shared<int>();
        {
            asio::io_context context;
            output_options options;
            options.timeout(1h);
            auto const never_called = [handler_data](auto&&...) { CHECK(false); };
            auto const ignoring = probe(config, "ignore", term);
            async_output(context, ignoring, options, never_called);
            async_output(context, ignoring | ignoring, options, never_called);
            async_run(context, probe(config, "ignore", term).out(stdio::null()), never_called);
        }
        CHECK(handler_data.use_count() == 1);
        CHECK(eventually([] { return !has_children(); }));
    });
}

TEST_CASE("start: a child that is held while its context is destroyed is killed" * needs_threads())
{
    for_each(fork_only, [](backend_config const& config) {
        start_gate const gate;
        auto const handler_data = std::make_shared<int>();
        {
            asio::io_context context;
            async_run(context, with_held_stage(config, gate), [handler_data](auto&&...) { CHECK(false); });
            REQUIRE(eventually(has_children));
            context.poll();
        }
        CHECK(handler_data.use_count() == 1);
        CHECK(eventually([] { return !has_children(); }));
    });
}

TEST_CASE("start: pipelines may be started, stopped and killed while several threads run the context" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        asio::thread_pool pool(3);
        std::atomic<int> stopped = 0;
        std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
        auto const line = probe(config, "pause") | probe(config, "pause") | probe(config, "pause");
        for (int i = 0; i < 20; ++i) {
            signals.push_back(std::make_unique<asio::cancellation_signal>());
            async_output(
                pool, line,
                asio::bind_cancellation_slot(signals.back()->slot(), [&](error_code ec, pipeline_output result) {
                    stopped += ec == aborted && result.statuses.front().signal().has_value();
                }));
            signals.back()->emit(asio::cancellation_type::terminal);
            if (i % 2 == 1)
                signals.back()->emit(asio::cancellation_type::terminal);
        }
        pool.join();
        CHECK(stopped == 20);
        CHECK_FALSE(has_children());
    });
}

TEST_SUITE_END();
