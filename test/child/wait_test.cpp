// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <thread>

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("wait");

TEST_CASE("every exit code arrives")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            for (int code = 0; code < 256; ++code) {
                auto child = spawn(ex, probe(by, "exit", std::to_string(code))).value();
                auto const status = co_await child.async_wait();
                CHECK(status.code() == code);
                CHECK(status.success() == (code == 0));
            }
        }(w));
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("every deadly signal arrives")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            for (int signal : {SIGHUP,  SIGINT,    SIGQUIT, SIGILL,  SIGTRAP,  SIGABRT, SIGBUS,  SIGFPE,
                               SIGKILL, SIGUSR1,   SIGSEGV, SIGUSR2, SIGPIPE,  SIGALRM, SIGTERM, SIGXCPU,
                               SIGXFSZ, SIGVTALRM, SIGPROF, SIGSYS,  SIGRTMIN, SIGRTMAX}) {
                auto cmd = probe(by, "raise", std::to_string(signal));
                auto child = spawn(ex, cmd.reset_signals()).value(); // whoever runs the test may ignore some
                auto const status = co_await child.async_wait();
                CHECK(status.signal() == signal);
                CHECK_FALSE(status.code());
                CHECK_FALSE(status.success());
            }
        }(w));
    }
}

TEST_CASE("a dumped core is told")
{
    rlimit core{};
    ::getrlimit(RLIMIT_CORE, &core);
    if (core.rlim_max == 0) {
        MESSAGE("skipped: this machine allows no core files");
        return;
    }
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        scratch_folder folder;
        auto cmd = probe(w, "dump-core");
        cmd.current_dir(folder.path());
        run([](command c) -> asio::awaitable<void> {
            auto const status = co_await async_run(co_await asio::this_coro::executor, c);
            CHECK(status.signal() == SIGABRT);
            CHECK(status.core_dumped());
        }(cmd));
    }
}

TEST_CASE("ten waiters get one status")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "wait", "7");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        int told = 0;
        for (int i = 0; i < 10; ++i)
            child.async_wait([&](error_code ec, exit_status status) { told += !ec.failed() && status.code() == 7; });
        child.in().close();
        context.run_for(60s);
        CHECK(told == 10);
    }
}

TEST_CASE("waiting after the end gives the same status, again and again, in every way")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto child = spawn(co_await asio::this_coro::executor, probe(by, "exit", "5")).value();
            CHECK((co_await child.async_wait()).code() == 5);
            CHECK((co_await child.async_wait()).code() == 5);
            CHECK((co_await child.async_kill()).code() == 5);
            CHECK((co_await child.async_stop()).code() == 5);
            CHECK(child.wait().value().code() == 5);
            CHECK(child.try_wait().value()->code() == 5);
        }(w));
    }
}

TEST_CASE("wait and try_wait need no running loop")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto cmd = probe(w, "wait", "3");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        CHECK_FALSE(child.try_wait().value());
        CHECK_FALSE(child.usage());
        child.in().close();
        CHECK(child.wait().value().code() == 3);
        CHECK(child.try_wait().value()->code() == 3);
        CHECK(child.usage());
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("several threads may block in wait, beside a pending async_wait" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "wait", "3");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::optional<int> told;
        child.async_wait([&](error_code, exit_status status) { told = status.code(); });
        std::atomic<int> right = 0;
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] { right += child.wait().value().code() == 3; });
        std::thread loop([&] { context.run_for(60s); });
        child.in().close();
        for (auto& thread : threads)
            thread.join();
        loop.join();
        CHECK(right == 4);
        CHECK(told == 3);
    }
}

TEST_CASE("stopped and continued is not ended")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "wait", "4");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        bool ended = false;
        child.async_wait([&](error_code, exit_status status) { ended = status.code() == 4; });
        auto const reported = [&](int what) {
            siginfo_t info{};
            return ::waitid(P_PID, static_cast<id_t>(child.id()), &info, what | WNOWAIT) == 0;
        };
        CHECK(child.signal(SIGSTOP));
        REQUIRE(reported(WSTOPPED));
        context.poll();
        CHECK_FALSE(ended);
        CHECK_FALSE(child.try_wait().value());
        CHECK(child.signal(SIGCONT));
        REQUIRE(reported(WCONTINUED));
        context.restart();
        context.poll();
        CHECK_FALSE(ended);
        child.in().close();
        context.restart();
        context.run_for(60s);
        CHECK(ended);
    }
}

TEST_CASE("a cancelled wait leaves the child alone, and able to be waited for")
{
    for (auto const& w : all_ways())
        for (auto type :
             {asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total}) {
            CAPTURE(w);
            asio::io_context context;
            auto cmd = probe(w, "wait", "6");
            auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
            asio::cancellation_signal cancel;
            std::optional<error_code> told;
            child.async_wait(
                asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, exit_status) { told = ec; }));
            cancel.emit(type);
            CHECK_FALSE(told);    // never from inside the call
            context.run_for(60s); // nothing keeps the loop at work any more
            CHECK(told == error_code(asio::error::operation_aborted));
            CHECK(is_alive(child.id()));

            std::optional<int> code;
            child.async_wait([&](error_code, exit_status status) { code = status.code(); });
            child.in().close();
            context.restart();
            context.run_for(60s);
            CHECK(code == 6);
        }
}

TEST_CASE("cancelling one wait leaves the others")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "wait", "6");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        asio::cancellation_signal cancel;
        std::optional<error_code> first;
        std::optional<int> second;
        child.async_wait(asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, exit_status) { first = ec; }));
        child.async_wait([&](error_code, exit_status status) { second = status.code(); });
        cancel.emit(asio::cancellation_type::total);
        child.in().close();
        context.run_for(60s);
        CHECK(first == error_code(asio::error::operation_aborted));
        CHECK(second == 6);
    }
}

TEST_CASE("a child that ended between spawn and wait is told")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto child = spawn(co_await asio::this_coro::executor, probe(by, "exit", "9")).value();
            siginfo_t info{};
            REQUIRE(::waitid(P_PID, static_cast<id_t>(child.id()), &info, WEXITED | WNOWAIT) == 0);
            CHECK((co_await child.async_wait()).code() == 9);
        }(w));
    }
}

TEST_CASE("of 1,000 children that end at once none is lost")
{
    auto const ways = all_ways(); // beside each other
    leaves_nothing guard;
    asio::io_context context;
    int pipe[2];
    REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    std::vector<child> children;
    int right = 0;
    for (std::size_t i = 0; i < 1000; ++i) {
        int const code = static_cast<int>(i % 200);
        auto cmd = probe(ways[i % ways.size()], "wait", std::to_string(code));
        cmd.in(stdio::fd(pipe[0])).out(stdio::null());
        children.push_back(spawn(context, cmd).value());
        children.back().async_wait(
            [&right, code](error_code ec, exit_status s) { right += !ec.failed() && s.code() == code; });
    }
    ::close(pipe[0]);
    ::close(pipe[1]); // the end of input, for all of them
    context.run_for(60s);
    CHECK(right == 1000);
    CHECK_FALSE(has_children());
}

TEST_CASE("a traced child is waited for without blocking the loop")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "pause");
        auto child = spawn(context, cmd.out(stdio::null())).value();
        // A tracer in another process: the end is its first, and it lets go of it when it likes.
        int told[2], held[2];
        REQUIRE(::pipe(told) == 0);
        REQUIRE(::pipe(held) == 0);
        pid_t const tracer = ::fork();
        if (tracer == 0) {
            ::close(held[1]);
            bool const attached = ::ptrace(PTRACE_SEIZE, child.id(), 0, 0) == 0;
            char byte = attached ? 'y' : 'n';
            (void)!::write(told[1], &byte, 1);
            (void)!::read(held[0], &byte, 1);
            ::_exit(0);
        }
        char attached = 'n';
        REQUIRE(::read(told[0], &attached, 1) == 1);
        std::optional<exit_status> status;
        if (attached == 'y') {
            child.async_wait([&](error_code, exit_status s) { status = s; });
            REQUIRE(child.kill());
            siginfo_t info{};
            // The child is a zombie now, yet not for us.
            REQUIRE(eventually([&] { return exists(child.id()) && !is_alive(child.id()); }));
            bool turned = false;
            asio::post(context, [&] { turned = true; });
            context.run_for(20ms);
            CHECK(turned);
            CHECK_FALSE(status);
            CHECK(::waitid(P_PID, static_cast<id_t>(child.id()), &info, WEXITED | WNOHANG | WNOWAIT) == 0);
            CHECK(info.si_pid == 0);
        } else {
            MESSAGE("skipped: tracing is not allowed here");
            REQUIRE(child.kill());
            child.async_wait([&](error_code, exit_status s) { status = s; });
        }
        for (int fd : {told[0], told[1], held[0], held[1]})
            ::close(fd);
        int ignored = 0;
        REQUIRE(::waitpid(tracer, &ignored, 0) == tracer);
        context.restart();
        context.run_for(60s);
        REQUIRE(status);
        CHECK(status->signal() == SIGKILL);
    }
}

TEST_CASE("a child that is killed on its way into its program does not hang the spawn")
{
    for (auto const& w : all_ways()) {
        if (w.backend == spawn_backend::posix_spawn)
            continue; // has no words for limits or hooks
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto cmd = probe(w, "exit", "0");
        // No room for the new program: exec is past the point where it could fail when it finds out.
        cmd.limit(RLIMIT_AS, 4096, 4096);
        if (w.backend == spawn_backend::fork)
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
    }
}

TEST_CASE("usage tells what the child has used")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto child = spawn(co_await asio::this_coro::executor, probe(by, "exit", "0")).value();
            CHECK_FALSE(child.usage());
            co_await child.async_wait();
            auto const usage = child.usage();
            REQUIRE(usage);
            CHECK(usage->max_rss > 100'000);
            CHECK(usage->minor_faults > 0);
            CHECK(usage->user_time + usage->system_time < 60s);
        }(w));
    }
}

TEST_SUITE_END();
