// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"
#include "support/system.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <cstdint>
#include <fstream>
#include <optional>
#include <thread>

#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

// The context switches that proc(5) reports for a process.
struct context_switches {
    std::optional<std::uint64_t> voluntary, involuntary;
};

context_switches switches_of(pid_t pid)
{
    context_switches reported;
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string key; file >> key; std::getline(file, key)) {
        std::uint64_t count = 0;
        if (key == "voluntary_ctxt_switches:" && file >> count)
            reported.voluntary = count;
        if (key == "nonvoluntary_ctxt_switches:" && file >> count)
            reported.involuntary = count;
    }
    return reported;
}

bool is_within_one(std::uint64_t count, std::optional<std::uint64_t> expected)
{
    return !expected || (count <= *expected + 1 && *expected <= count + 1);
}

// ThreadSanitizer runs deferred handlers with all signals blocked and saves the mask in one place per thread. If another
// signal arrives while a handler calls libc, as the library's handler for SIGCHLD does, the mask stays full.
void repair_mask_of_thread_sanitizer(sigset_t const& mask)
{
    if (::dlsym(RTLD_DEFAULT, "__tsan_acquire"))
        ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

} // namespace

TEST_SUITE_BEGIN("wait");

TEST_CASE("wait: every exit code is reported")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        for (int code = 0; code < 256; ++code) {
            auto child = spawn(ex, probe(config, "exit", std::to_string(code))).value();
            auto const status = co_await child.async_wait();
            CHECK(status.code() == code);
            CHECK(status.success() == (code == 0));
        }
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("wait: every fatal signal is reported")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto signals = system::realtime_signals();
        for (int signal : {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,  SIGFPE,    SIGKILL, SIGUSR1,
                           SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS})
            signals.push_back(signal);
        for (int signal : signals) {
            auto cmd = probe(config, "raise", std::to_string(signal));
            auto child = spawn(ex, cmd.reset_signals()).value(); // the environment may ignore signals
            auto const status = co_await child.async_wait();
            CHECK(status.signal() == signal);
            CHECK_FALSE(status.code());
            CHECK_FALSE(status.success());
        }
    });
}

TEST_CASE("wait: async_wait_for completes with the status, or with timed_out and without an effect on the child")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = spawn(ex, probe(config, "pause").out(stdio::null())).value();
        for (auto const time : {20ms, 0ms, -5ms}) {
            auto const timed = co_await child.async_wait_for(time, as_result);
            CHECK(timed.error() == errc::timed_out);
        }
        CHECK_FALSE(child.try_wait().value());
        ::kill(child.id(), SIGKILL);
        CHECK((co_await child.async_wait_for(1h)).signal() == SIGKILL);
        CHECK((co_await child.async_wait_for(0s)).signal() == SIGKILL);
        CHECK((co_await child.async_wait_for(duration::max())).signal() == SIGKILL);
        basic_child none(ex);
        auto const failed = co_await none.async_wait_for(1s, as_result);
        CHECK(failed.error() == std::errc::no_child_process);
    });
}

TEST_CASE("wait: a cancelled async_wait_for leaves the child and other waits alone")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto child = spawn(context, probe(config, "pause").out(stdio::null())).value();
        asio::cancellation_signal cancel;
        std::optional<error_code> cancelled;
        std::optional<exit_status> ended;
        child.async_wait_for(
            1h, asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, exit_status) { cancelled = ec; }));
        child.async_wait([&](error_code, exit_status status) { ended = status; });
        context.poll();
        cancel.emit(asio::cancellation_type::total);
        context.poll();
        CHECK(cancelled == asio::error::operation_aborted);
        CHECK_FALSE(ended);
        CHECK(child.kill());
        context.run_for(60s);
        CHECK(ended == exit_status::from_raw(SIGKILL));
    });
}

TEST_CASE("wait: wait_for returns the status, or nothing when the time has expired" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto child = spawn(context, probe(config, "pause").out(stdio::null())).value();
        for (auto const time : {30ms, 0ms, -5ms}) {
            auto const start = std::chrono::steady_clock::now();
            CHECK(child.wait_for(time).value() == std::nullopt);
            CHECK(std::chrono::steady_clock::now() - start >= time);
        }
        std::thread killer([pid = child.id()] { ::kill(pid, SIGKILL); });
        CHECK(child.wait_for(1h).value() == exit_status::from_raw(SIGKILL));
        killer.join();
        CHECK(child.wait_for(duration::max()).value() == exit_status::from_raw(SIGKILL));
        auto other = spawn(context, probe(config, "pause").out(stdio::null())).value();
        std::thread later([pid = other.id()] {
            std::this_thread::sleep_for(20ms);
            ::kill(pid, SIGKILL);
        });
        CHECK(other.wait_for(duration::max()).value() == exit_status::from_raw(SIGKILL));
        later.join();
        basic_child none(context.get_executor());
        CHECK(none.wait_for(1s).error() == std::errc::no_child_process);
    });
}

TEST_CASE("wait: a core dump is reported")
{
    rlimit core{};
    ::getrlimit(RLIMIT_CORE, &core);
    if (core.rlim_max == 0) {
        MESSAGE("skipped: core files are disabled");
        return;
    }
    for_each_config([&](backend_config const& config) {
        scratch_folder folder;
        auto cmd = probe(config, "dump-core");
        cmd.current_dir(folder.path());
        run([](command dumping) -> asio::awaitable<void> {
            auto const status = co_await async_run(co_await asio::this_coro::executor, dumping);
            CHECK(status.signal() == SIGABRT);
            CHECK(status.core_dumped());
        }(cmd));
    });
}

TEST_CASE("wait: ten waiters receive the same status")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "wait", "7");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        int completed = 0;
        for (int i = 0; i < 10; ++i)
            child.async_wait(
                [&](error_code ec, exit_status status) { completed += !ec.failed() && status.code() == 7; });
        child.in().close();
        context.run_for(60s);
        CHECK(completed == 10);
    });
}

TEST_CASE("wait: every operation after the exit reports the same status")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto child = spawn(co_await asio::this_coro::executor, probe(config, "exit", "5")).value();
        CHECK((co_await child.async_wait()).code() == 5);
        CHECK((co_await child.async_wait()).code() == 5);
        CHECK((co_await child.async_kill()).code() == 5);
        CHECK((co_await child.async_stop()).code() == 5);
        CHECK(child.wait().value().code() == 5);
        CHECK(child.try_wait().value()->code() == 5);
    });
}

TEST_CASE("wait: wait and try_wait do not require a running event loop")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "wait", "3");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        CHECK_FALSE(child.try_wait().value());
        CHECK_FALSE(child.usage());
        child.in().close();
        CHECK(child.wait().value().code() == 3);
        CHECK(child.try_wait().value()->code() == 3);
        CHECK(child.usage());
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("wait: several threads may block in wait while async_wait is pending" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "wait", "3");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::optional<int> code;
        child.async_wait([&](error_code, exit_status status) { code = status.code(); });
        std::atomic<int> matches = 0;
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] { matches += child.wait().value().code() == 3; });
        std::thread loop([&] { context.run_for(60s); });
        std::this_thread::sleep_for(20ms); // usually, all threads wait then
        child.in().close();
        for (auto& thread : threads)
            thread.join();
        loop.join();
        CHECK(matches == 4);
        CHECK(code == 3);
    });
}

TEST_CASE("wait: stopping and continuing a child does not complete the wait")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "wait", "4");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        bool exited = false;
        child.async_wait([&](error_code, exit_status status) { exited = status.code() == 4; });
        auto const state_changed = [&](int event) {
            siginfo_t info{};
            return ::waitid(P_PID, static_cast<id_t>(child.id()), &info, event | WNOWAIT) == 0;
        };
        CHECK(child.signal(SIGSTOP));
        REQUIRE(state_changed(WSTOPPED));
        context.poll();
        CHECK_FALSE(exited);
        CHECK_FALSE(child.try_wait().value());
        CHECK(child.signal(SIGCONT));
        REQUIRE(state_changed(WCONTINUED));
        context.restart();
        context.poll();
        CHECK_FALSE(exited);
        child.in().close();
        context.restart();
        context.run_for(60s);
        CHECK(exited);
    });
}

// The kernel reports the stops of a traced child to its tracer, even to a wait for the end only.
TEST_CASE("wait: a stop of a child that this process traces is not taken for its end")
{
    for (bool destroyed : {false, true}) {
        CAPTURE(destroyed);
        for_each_config([&](backend_config const& config) {
            asio::io_context context;
            auto cmd = probe(config, "pause");
            std::optional<child> traced = spawn(context, cmd.out(stdio::null())).value();
            pid_t const pid = traced->id();
            if (!system::trace(pid)) {
                MESSAGE("skipped: ptrace is not permitted");
                return;
            }
            std::optional<exit_status> status;
            if (!destroyed)
                traced->async_wait([&](error_code, exit_status reported) { status = reported; });
            REQUIRE(traced->signal(SIGUSR1));
            REQUIRE(eventually([&] {
                siginfo_t info{};
                REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0);
                return info.si_pid == pid;
            }));
            context.poll();
            CHECK_FALSE(status);
            CHECK_FALSE(traced->try_wait().value());
            CHECK_FALSE(traced->try_wait().value());
            CHECK(traced->signal(0));
            if (destroyed) {
                traced.reset();
            } else {
                CHECK(traced->kill());
                context.restart();
                context.run_for(60s);
                REQUIRE(status);
                CHECK(status->signal() == SIGKILL);
            }
            CHECK(eventually([&] { return !exists(pid); }));
        });
    }
}

TEST_CASE("wait: a child whose pre_exec requests tracing has not ended when it stops at exec" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        if (config.backend != spawn_backend::fork)
            return; // the others run no hook
        asio::io_context context;
        auto cmd = probe(config, "exit", "3");
        auto child = spawn(context, cmd.pre_exec([] {
                         return system::request_tracing() ? error_code() : error_code(asio::error::no_permission);
                     })).value();
        CHECK(eventually([&] {
            CHECK_FALSE(child.try_wait().value());
            return process_state(child.id()) == 't';
        }));
        CHECK(child.kill());
        CHECK(child.wait().value().signal() == SIGKILL);
    });
}

TEST_CASE("wait: a cancelled wait leaves the child running, and another wait can follow")
{
    for (auto type :
         {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
        for_each_config([&](backend_config const& config) {
            asio::io_context context;
            auto cmd = probe(config, "wait", "6");
            auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
            asio::cancellation_signal cancel;
            std::optional<error_code> error;
            child.async_wait(
                asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, exit_status) { error = ec; }));
            cancel.emit(type);
            CHECK_FALSE(error);   // the handler does not run inside emit
            context.run_for(60s); // returns at once: no work is left
            CHECK(error == error_code(asio::error::operation_aborted));
            CHECK(is_alive(child.id()));

            std::optional<int> code;
            child.async_wait([&](error_code, exit_status status) { code = status.code(); });
            child.in().close();
            context.restart();
            context.run_for(60s);
            CHECK(code == 6);
        });
    }
}

TEST_CASE("wait: cancelling a wait does not affect other waits")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "wait", "6");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        asio::cancellation_signal cancel;
        std::optional<error_code> cancelled_error;
        std::optional<int> code;
        child.async_wait(
            asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, exit_status) { cancelled_error = ec; }));
        child.async_wait([&](error_code, exit_status status) { code = status.code(); });
        cancel.emit(asio::cancellation_type::total);
        child.in().close();
        context.run_for(60s);
        CHECK(cancelled_error == error_code(asio::error::operation_aborted));
        CHECK(code == 6);
    });
}

TEST_CASE("wait: an exit between spawn and async_wait is reported")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto child = spawn(co_await asio::this_coro::executor, probe(config, "exit", "9")).value();
        siginfo_t info{};
        REQUIRE(::waitid(P_PID, static_cast<id_t>(child.id()), &info, WEXITED | WNOWAIT) == 0);
        CHECK((co_await child.async_wait()).code() == 9);
    });
}

TEST_CASE("wait: the simultaneous exits of 1,000 children are all reported")
{
    auto const configs = all_configs(); // the children use all configurations side by side
    leak_check const leaks;
    asio::io_context context;
    int pipe[2];
    REQUIRE(system::make_pipe(pipe));
    std::vector<child> children;
    int matches = 0;
    for (std::size_t i = 0; i < 1000; ++i) {
        int const code = static_cast<int>(i % 200);
        auto cmd = probe(configs[i % configs.size()], "wait", std::to_string(code));
        cmd.in(stdio::fd(pipe[0])).out(stdio::null());
        children.push_back(spawn(context, cmd).value());
        children.back().async_wait(
            [&matches, code](error_code ec, exit_status status) { matches += !ec.failed() && status.code() == code; });
    }
    ::close(pipe[0]);
    ::close(pipe[1]); // all children read end-of-file and exit
    context.run_for(60s);
    CHECK(matches == 1000);
    CHECK_FALSE(has_children());
}

TEST_CASE("wait: a traced child does not block the event loop")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "pause");
        auto child = spawn(context, cmd.out(stdio::null())).value();
        // The kernel reports the exit to the tracer first, and to the parent when the tracer detaches.
        int attach_pipe[2], release_pipe[2];
        REQUIRE(::pipe(attach_pipe) == 0);
        REQUIRE(::pipe(release_pipe) == 0);
        pid_t const tracer = ::fork();
        if (tracer == 0) {
            ::close(release_pipe[1]);
            bool const attached = system::trace(child.id());
            char byte = attached ? 'y' : 'n';
            (void)!::write(attach_pipe[1], &byte, 1);
            (void)!::read(release_pipe[0], &byte, 1);
            ::_exit(0);
        }
        char attached = 'n';
        REQUIRE(::read(attach_pipe[0], &attached, 1) == 1);
        std::optional<exit_status> status;
        if (attached == 'y') {
            child.async_wait([&](error_code, exit_status reported) { status = reported; });
            REQUIRE(child.kill());
            siginfo_t info{};
            // The child is a zombie, but this process cannot reap it yet.
            REQUIRE(eventually([&] { return exists(child.id()) && !is_alive(child.id()); }));
            bool posted_ran = false;
            asio::post(context, [&] { posted_ran = true; });
            context.run_for(20ms);
            CHECK(posted_ran);
            CHECK_FALSE(status);
            // The pauses between two looks at the child grow: most calls find nothing to do.
            std::size_t handlers = 0;
            for (int i = 0; i < 1000; ++i)
                handlers += context.poll_one();
            CHECK(handlers < 500);
            CHECK(::waitid(P_PID, static_cast<id_t>(child.id()), &info, WEXITED | WNOHANG | WNOWAIT) == 0);
            CHECK(info.si_pid == 0);
        } else {
            MESSAGE("skipped: ptrace is not permitted");
            REQUIRE(child.kill());
            child.async_wait([&](error_code, exit_status reported) { status = reported; });
        }
        for (int fd : {attach_pipe[0], attach_pipe[1], release_pipe[0], release_pipe[1]})
            ::close(fd);
        int ignored = 0;
        REQUIRE(::waitpid(tracer, &ignored, 0) == tracer);
        context.restart();
        context.run_for(60s);
        REQUIRE(status);
        CHECK(status->signal() == SIGKILL);
    });
}

TEST_CASE("wait: a child killed during exec does not block the spawn")
{
    for_each_config([&](backend_config const& config) {
        if (config.backend == spawn_backend::posix_spawn)
            return; // supports neither limits nor hooks
        asio::io_context context;
        auto cmd = probe(config, "exit", "0");
        // The address space limit is too small for the program. exec fails after it has passed the point of no return.
        cmd.limit(RLIMIT_AS, 4096, 4096);
        if (config.backend == spawn_backend::fork)
            cmd.pre_exec([] {
                ::kill(::getpid(), SIGKILL);
                return error_code();
            });
        auto child = spawn(context, cmd);
        if (child)
            CHECK(child.value().wait().value().signal());
        else
            CHECK(stage_of(child.error()));
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("wait: signals that interrupt system calls disturb neither the start nor the wait")
{
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    struct sigaction counting {
    }, before{};
    counting.sa_handler = [](int) {}; // without SA_RESTART
    ::sigaction(SIGALRM, &counting, &before);
    itimerval const rain{{0, 200}, {0, 200}}, none{};
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        ::setitimer(ITIMER_REAL, &rain, nullptr);
        for (int code = 0; code < 20; ++code) {
            auto child = spawn(context, probe(config, "exit", std::to_string(code)));
            CHECK_MESSAGE(child, child.error().message());
            if (child)
                CHECK(child.value().wait().value().code() == code);
            std::optional<exit_status> reported;
            async_run(context, probe(config, "exit", std::to_string(code)), [&](error_code ec, exit_status status) {
                CHECK_FALSE(ec.failed());
                reported = status;
            });
            context.restart();
            context.run_for(60s);
            REQUIRE(reported);
            CHECK(reported->code() == code);
        }
        ::setitimer(ITIMER_REAL, &none, nullptr);
        repair_mask_of_thread_sanitizer(mask);
    });
    ::sigaction(SIGALRM, &before, nullptr);
}

TEST_CASE("wait: usage reports the resource usage of the child")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto child = spawn(co_await asio::this_coro::executor, probe(config, "exit", "0")).value();
        CHECK_FALSE(child.usage());
        co_await child.async_wait();
        auto const usage = child.usage();
        REQUIRE(usage);
        CHECK(usage->max_rss > 100'000);
        CHECK(usage->minor_faults > 0);
        CHECK(usage->user_time + usage->system_time < 60s);
    });
}

// Each stop of the child is a voluntary switch.
TEST_CASE("wait: usage counts voluntary and involuntary context switches separately")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "pause");
        auto child = spawn(context, cmd.out(stdio::null())).value();
        auto const id = static_cast<id_t>(child.id());
        siginfo_t info{};
        for (int i = 0; i < 20; ++i) {
            REQUIRE(child.signal(SIGSTOP));
            REQUIRE(::waitid(P_PID, id, &info, WSTOPPED) == 0);
            REQUIRE(child.signal(SIGCONT));
            REQUIRE(::waitid(P_PID, id, &info, WCONTINUED) == 0);
        }
        REQUIRE(child.kill());
        REQUIRE(::waitid(P_PID, id, &info, WEXITED | WNOWAIT) == 0);
        auto const reported = switches_of(child.id());
        CHECK(child.wait());
        auto const usage = child.usage().value();
        // A child that is continued before it has noticed the stop does not switch.
        CHECK(usage.voluntary_switches >= 5);
        // The last switch of a process ends it.
        CHECK(is_within_one(usage.voluntary_switches, reported.voluntary));
        CHECK(is_within_one(usage.involuntary_switches, reported.involuntary));
    });
}

TEST_SUITE_END();
