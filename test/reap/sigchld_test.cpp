// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"
#include "support/support.hpp"

#include <boost/asio/signal_set.hpp>

#include <atomic>

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

std::atomic<int> seen = 0;

class restored_action {
public:
    restored_action() { ::sigaction(SIGCHLD, nullptr, &before_); }
    ~restored_action() { ::sigaction(SIGCHLD, &before_, nullptr); }

private:
    struct sigaction before_ {};
};

void install(void (*handler)(int))
{
    struct sigaction action {};
    action.sa_handler = handler;
    ::sigaction(SIGCHLD, &action, nullptr);
}

void count(int) { ++seen; }

std::vector<way> sigchld_ways()
{
    auto ways = all_ways();
    std::erase_if(ways, [](way const& w) { return w.reaper != exit_reaper::sigchld; });
    return ways;
}

child pausing(asio::io_context& context, way const& w)
{
    auto cmd = probe(w, "pause");
    return spawn(context, cmd.out(stdio::null())).value();
}

// Until the child can be reaped, which it then still can.
void await_end(pid_t pid)
{
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
}

// An application's handler that hands on less than it got.
void (*handler_below)(int, siginfo_t*, void*);
void chain_number_alone(int signal) { handler_below(signal, nullptr, nullptr); }

bool recalls_status()
{
    // What the kernel tells of a child that somebody else has reaped.
    int pidfd = -1;
    auto const pid = static_cast<pid_t>(::syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, nullptr, &pidfd, nullptr, nullptr));
    if (pid == 0)
        ::_exit(5);
    ::waitpid(pid, nullptr, 0);
    return os::recall_status(os::unique_fd(pidfd).get()).has_value();
}

} // namespace

TEST_SUITE_BEGIN("signal disposition");

TEST_CASE("a SIGCHLD handler installed before keeps working")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        restored_action guard;
        install(count);
        seen = 0;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            CHECK((co_await async_run(ex, probe(by, "exit", "6"))).code() == 6);
        }(w));
        CHECK(eventually([] { return seen > 0; }));
    }
}

TEST_CASE("a SIGCHLD handler installed while a child runs keeps working, and the child is still noticed")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        restored_action guard;
        asio::io_context context;
        auto cmd = probe(w, "wait", "6");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::optional<int> code;
        child.async_wait([&](error_code, exit_status status) { code = status.code(); });
        install(count);
        seen = 0;
        child.in().close();
        context.run_for(60s);
        CHECK(code == 6);
        CHECK(seen > 0);
    }
}

TEST_CASE("an application's signal_set may come and go")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        restored_action guard;
        asio::io_context context;
        auto const start = [&] {
            auto cmd = probe(w, "wait", "6");
            return spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        };
        int codes = 0;
        bool noticed = false;
        auto first = start(), second = start();
        for (auto* child : {&first, &second})
            child->async_wait([&](error_code, exit_status status) { codes += status.code() == 6; });
        {
            asio::signal_set set(context, SIGCHLD);
            set.async_wait([&](error_code ec, int) { noticed = !ec.failed(); });
            first.in().close();
            while (!noticed || codes < 1)
                REQUIRE(context.run_one_for(60s) == 1);
        }
        second.in().close();
        context.run_for(60s);
        CHECK(codes == 2);
    }
}

TEST_CASE("with SIGCHLD ignored, a wait tells the truth or that it is lost, and never hangs")
{
    bool const recalls = recalls_status();
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        restored_action guard;
        asio::io_context context;
        install(SIG_IGN);
        auto cmd = probe(w, "wait", "6");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::optional<error_code> told;
        exit_status status;
        child.async_wait([&](error_code ec, exit_status s) {
            told = ec;
            status = s;
        });
        child.in().close();
        context.run_for(60s);
        REQUIRE(told);
        if (w.reaper == exit_reaper::pidfd && recalls) {
            CHECK_FALSE(told->failed());
            CHECK(status.code() == 6);
        } else {
            CHECK(*told == errc::status_lost);
        }
    }
}

TEST_CASE("a status taken by another waitpid is told where the kernel knows it, else called lost")
{
    bool const recalls = recalls_status();
    for (auto const& w : all_ways())
        for (bool waiting : {false, true}) {
            CAPTURE(w);
            CAPTURE(waiting);
            asio::io_context context;
            auto cmd = probe(w, "wait", "6");
            auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
            std::optional<error_code> told;
            exit_status status;
            auto const wait = [&] {
                child.async_wait([&](error_code ec, exit_status s) {
                    told = ec;
                    status = s;
                });
            };
            if (waiting)
                wait();
            child.in().close();
            REQUIRE(::waitpid(child.id(), nullptr, 0) == child.id()); // before the loop has run
            if (!waiting)
                wait();
            context.run_for(60s);
            REQUIRE(told);
            if (w.reaper == exit_reaper::pidfd && recalls) {
                CHECK_FALSE(told->failed());
                CHECK(status.code() == 6);
                CHECK_FALSE(child.usage());
            } else {
                CHECK(*told == errc::status_lost);
                CHECK(child.wait().error() == errc::status_lost);
            }
        }
}

TEST_CASE("no signal is sent to a pid that somebody else has reaped")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto child = spawn(context, probe(w, "exit", "0")).value();
        REQUIRE(::waitpid(child.id(), nullptr, 0) == child.id());
        CHECK(child.signal(SIGTERM).error() == std::errc::no_such_process);
        CHECK(child.kill());
    }
}

TEST_CASE("foreign children are left to their owner")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        pid_t const foreign = ::fork();
        if (foreign == 0)
            ::_exit(3);
        await_end(foreign);
        // Its zombie stands in front of all that come later.
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            for (int i = 0; i < 20; ++i)
                CHECK((co_await async_run(ex, probe(by, "exit", std::to_string(i)))).code() == i);
        }(w));
        int status = 0;
        CHECK(::waitpid(foreign, &status, 0) == foreign);
        CHECK(exit_status::from_raw(status).code() == 3);
    }
}

TEST_CASE("of many children that end at once, each is told")
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    auto const ways = sigchld_ways();
    for (bool one_signal : {false, true}) {
        CAPTURE(one_signal);
        asio::io_context context;
        std::vector<child> children;
        std::size_t told = 0;
        for (std::size_t i = 0; i < 1000; ++i)
            children.push_back(pausing(context, ways[i % ways.size()]));
        for (auto& each : children)
            each.async_wait([&](error_code, exit_status status) { told += status.signal() == SIGKILL; });
        if (one_signal)
            ::pthread_sigmask(SIG_BLOCK, &set, &before);
        for (auto& each : children)
            ::kill(each.id(), SIGKILL);
        if (one_signal) {
            for (auto& each : children)
                await_end(each.id());
            ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
            context.poll(); // and does not wait for the tick
        } else {
            context.run_for(60s);
        }
        CHECK(told == children.size());
    }
}

TEST_CASE("a signal about nobody's end, or about a foreign child's, tells nothing")
{
    for (auto const& w : sigchld_ways()) {
        CAPTURE(w);
        restored_action guard;
        install(count); // which wants to know of stops
        asio::io_context context;
        auto cmd = probe(w, "wait", "6");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::optional<int> code;
        child.async_wait([&](error_code, exit_status status) { code = status.code(); });

        seen = 0;
        ::raise(SIGCHLD);
        CHECK(seen > 0);
        siginfo_t info{};
        for (int signal : {SIGSTOP, SIGCONT}) {
            ::kill(child.id(), signal);
            REQUIRE(::waitid(P_PID, static_cast<id_t>(child.id()), &info, WSTOPPED | WCONTINUED) == 0);
        }
        pid_t const foreign = ::fork();
        if (foreign == 0)
            ::_exit(3);
        await_end(foreign);
        CHECK(context.poll() > 0);
        CHECK_FALSE(code);

        child.in().close();
        context.run_for(60s);
        CHECK(code == 6);
        int status = 0;
        CHECK(::waitpid(foreign, &status, 0) == foreign);
        CHECK(exit_status::from_raw(status).code() == 3);
    }
}

TEST_CASE("an end that a full pipe had no room to tell of is told when the pipe has been read")
{
    for (auto const& w : sigchld_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto child = pausing(context, w);
        bool told = false;
        child.async_wait([&](error_code, exit_status status) { told = status.signal() == SIGKILL; });
        for (int i = 0; i < 20000; ++i)
            ::raise(SIGCHLD);
        ::kill(child.id(), SIGKILL);
        await_end(child.id());
        context.poll(); // and does not wait for the tick
        CHECK(told);
    }
}

TEST_CASE("a handler over ours may hand on the signal's number alone")
{
    for (auto const& w : sigchld_ways()) {
        CAPTURE(w);
        restored_action guard;
        asio::io_context context;
        auto child = pausing(context, w);
        std::optional<int> signal;
        child.async_wait([&](error_code, exit_status status) { signal = status.signal(); });
        struct sigaction ours {};
        ::sigaction(SIGCHLD, nullptr, &ours);
        handler_below = ours.sa_sigaction;
        install(chain_number_alone);
        ::raise(SIGCHLD);
        // Ours comes first again, and last.
        auto other = spawn(context, probe(w, "exit", "6")).value();
        std::optional<int> code;
        other.async_wait([&](error_code, exit_status status) { code = status.code(); });
        ::raise(SIGCHLD);
        ::kill(child.id(), SIGKILL);
        context.run_for(60s);
        CHECK(signal == SIGKILL);
        CHECK(code == 6);
    }
}

TEST_CASE("with SIGCHLD blocked in every thread, children are noticed all the same")
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        ::pthread_sigmask(SIG_BLOCK, &set, &before);
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            CHECK((co_await async_run(ex, probe(by, "exit", "6"))).code() == 6);
        }(w));
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
}

TEST_CASE("a ignored SIGPIPE is default in the child")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto const before = ::signal(SIGPIPE, SIG_IGN);
        auto const pipe = output_of_now(probe(w, "signal-action", std::to_string(SIGPIPE)));
        ::signal(SIGPIPE, before);
        CHECK(pipe == "default");
    }
}

TEST_CASE("what else is ignored stays so, what is handled is default, and reset_signals resets all")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto const ignored = ::signal(SIGUSR1, SIG_IGN);
        auto const handled = ::signal(SIGUSR2, [](int) {});
        std::vector<std::string> told;
        for (bool reset : {false, true})
            for (int signal : {SIGUSR1, SIGUSR2}) {
                auto cmd = probe(w, "signal-action", std::to_string(signal));
                if (reset)
                    cmd.reset_signals();
                told.push_back(output_of_now(cmd));
            }
        ::signal(SIGUSR1, ignored);
        ::signal(SIGUSR2, handled);
        CHECK(told == std::vector<std::string>{"ignored", "default", "default", "default"});
    }
}

TEST_CASE("the signal mask is inherited, or as asked")
{
    auto const bits = [](std::initializer_list<int> signals) {
        unsigned long mask = 0;
        for (int signal : signals)
            mask |= 1UL << (signal - 1);
        char text[20];
        std::snprintf(text, sizeof text, "%016lx", mask);
        return std::string(text);
    };
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        ::pthread_sigmask(SIG_SETMASK, &blocked, &before);
        auto const inherited = output_of_now(probe(w, "status", "SigBlk"));
        auto asked = probe(w, "status", "SigBlk");
        auto const as_asked = output_of_now(asked.signal_mask({SIGHUP, SIGUSR2}));
        auto const none = output_of_now(asked.signal_mask({}));
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        CHECK(inherited == bits({SIGUSR1}));
        CHECK(as_asked == bits({SIGHUP, SIGUSR2}));
        CHECK(none == bits({}));
    }
}

TEST_CASE("a signal that waits for the parent does not run its handler in the child")
{
    static pid_t handled_by;
    auto const before = ::signal(SIGUSR1, [](int) { handled_by = ::getpid(); });
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        for (int i = 0; i < 50; ++i) {
            handled_by = 0;
            ::raise(SIGUSR1);
            asio::io_context context;
            auto child = spawn(context, probe(w, "exit", "0"));
            REQUIRE(child);
            CHECK(handled_by == ::getpid());
            CHECK(child.value().wait());
        }
    }
    ::signal(SIGUSR1, before);
}

TEST_SUITE_END();
