// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/next_pid.hpp"
#include "support/support.hpp"
#include "support/system.hpp"

#include <boost/asio/signal_set.hpp>

#include <atomic>
#include <cerrno>
#include <optional>
#include <thread>

#include <signal.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

std::atomic<int> signal_count = 0;

// Restores the SIGCHLD disposition of the process.
class saved_disposition {
public:
    saved_disposition() { ::sigaction(SIGCHLD, nullptr, &before_); }
    ~saved_disposition() { ::sigaction(SIGCHLD, &before_, nullptr); }

private:
    struct sigaction before_ {};
};

void install(void (*handler)(int))
{
    struct sigaction action {};
    action.sa_handler = handler;
    ::sigaction(SIGCHLD, &action, nullptr);
}

void count(int) { ++signal_count; }

std::vector<backend_config> sigchld_configs()
{
    auto configs = all_configs();
    std::erase_if(configs, [](backend_config const& config) { return config.watcher != exit_watcher::sigchld; });
    return configs;
}

child spawn_pausing(asio::io_context& context, backend_config const& config)
{
    auto cmd = probe(config, "pause");
    return spawn(context, cmd.out(stdio::null())).value();
}

// Runs children with these exit codes, one after the other.
asio::awaitable<void> check_exit_codes(backend_config config, int first, int last)
{
    auto const ex = co_await asio::this_coro::executor;
    for (int code = first; code <= last; ++code)
        CHECK((co_await async_run(ex, probe(config, "exit", std::to_string(code)))).code() == code);
}

// Waits until the child is a zombie, without reaping it.
void await_zombie(pid_t pid)
{
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
}

// A handler of an application that calls the previous handler with the signal number only.
void (*previous_handler)(int, siginfo_t*, void*);
void forward_number(int signal) { previous_handler(signal, nullptr, nullptr); }

} // namespace

TEST_SUITE_BEGIN("sigchld");

TEST_CASE("sigchld: a handler installed before the spawn still runs")
{
    for_each_config([&](backend_config const& config) {
        saved_disposition const restore;
        install(count);
        signal_count = 0;
        run(check_exit_codes(config, 6, 6));
        CHECK(eventually([] { return signal_count > 0; }));
    });
}

TEST_CASE("sigchld: a handler installed while a child runs still runs, and the exit is reported")
{
    for_each_config([&](backend_config const& config) {
        saved_disposition const restore;
        asio::io_context context;
        auto cmd = probe(config, "wait", "6");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::optional<int> code;
        child.async_wait([&](error_code, exit_status status) { code = status.code(); });
        install(count);
        signal_count = 0;
        child.in().close();
        context.run_for(60s);
        CHECK(code == 6);
        CHECK(signal_count > 0);
    });
}

TEST_CASE("sigchld: an application may create and destroy a signal_set")
{
    for_each_config([&](backend_config const& config) {
        saved_disposition const restore;
        asio::io_context context;
        auto const start = [&] {
            auto cmd = probe(config, "wait", "6");
            return spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        };
        int matches = 0;
        bool noticed = false;
        auto first = start(), second = start();
        for (auto* child : {&first, &second})
            child->async_wait([&](error_code, exit_status status) { matches += status.code() == 6; });
        {
            asio::signal_set set(context, SIGCHLD);
            set.async_wait([&](error_code ec, int) { noticed = !ec.failed(); });
            first.in().close();
            while (!noticed || matches < 1)
                REQUIRE(context.run_one_for(60s) == 1);
        }
        second.in().close();
        context.run_for(60s);
        CHECK(matches == 2);
    });
}

TEST_CASE("sigchld: the handler keeps errno, also if the handler of the application changes it")
{
    for_each(sigchld_configs(), [](backend_config const& config) {
        saved_disposition const saved;
        install([](int) { errno = EDOM; });
        asio::io_context context;
        auto child = spawn_pausing(context, config);
        child.async_wait([](error_code, exit_status) {});
        errno = 0;
        ::raise(SIGCHLD);
        int const after = errno;
        CHECK(after == 0);
        CHECK(child.kill());
        context.run_for(60s);
    });
}

TEST_CASE("sigchld: the library's action keeps the flags and the mask of the application's")
{
    auto const action_after = [](void (*handler)(int), int flags) {
        forked process([=] {
            struct sigaction action {};
            action.sa_handler = handler;
            action.sa_flags = flags;
            sigaddset(&action.sa_mask, SIGUSR1);
            ::sigaction(SIGCHLD, &action, nullptr);
            asio::io_context context;
            auto child = spawn(context, probe({spawn_backend::automatic, exit_watcher::sigchld}, "exit", "0")).value();
            child.async_wait([](error_code, exit_status) {});
            context.run_for(60s);
            struct sigaction now {};
            ::sigaction(SIGCHLD, nullptr, &now);
            int const kept = SA_NOCLDSTOP | SA_ONSTACK | SA_NOCLDWAIT;
            int const expected = handler == SIG_DFL ? SA_NOCLDSTOP : flags; // nobody needs to know of stops
            return (now.sa_flags & kept) == expected && (now.sa_flags & SA_RESTART) != 0 &&
                   now.sa_sigaction != action.sa_sigaction && sigismember(&now.sa_mask, SIGUSR1) == 1;
        });
        return process.succeeds();
    };
    CHECK(action_after(count, 0));
    CHECK(action_after(count, SA_NOCLDSTOP));
    CHECK(action_after(count, SA_ONSTACK));
    CHECK(action_after(count, SA_NOCLDWAIT));
    CHECK(action_after(SIG_DFL, 0));
}

TEST_CASE("sigchld: with SIGCHLD ignored, a wait reports the status or status_lost")
{
    bool const recalls = recalls_status();
    for_each_config([&](backend_config const& config) {
        saved_disposition const restore;
        asio::io_context context;
        install(SIG_IGN);
        auto cmd = probe(config, "wait", "6");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::optional<error_code> error;
        exit_status status;
        child.async_wait([&](error_code ec, exit_status reported) {
            error = ec;
            status = reported;
        });
        child.in().close();
        context.run_for(60s);
        REQUIRE(error);
        if (config.watcher == exit_watcher::pidfd && recalls) {
            CHECK_FALSE(error->failed());
            CHECK(status.code() == 6);
        } else {
            CHECK(*error == errc::status_lost);
        }
    });
}

TEST_CASE("sigchld: a status taken by another waitpid is recalled from the kernel or reported as lost")
{
    bool const recalls = recalls_status();
    for (bool wait_first : {false, true}) {
        CAPTURE(wait_first);
        for_each_config([&](backend_config const& config) {
            asio::io_context context;
            auto cmd = probe(config, "wait", "6");
            auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
            std::optional<error_code> error;
            exit_status status;
            auto const wait = [&] {
                child.async_wait([&](error_code ec, exit_status reported) {
                    error = ec;
                    status = reported;
                });
            };
            if (wait_first)
                wait();
            child.in().close();
            REQUIRE(::waitpid(child.id(), nullptr, 0) == child.id()); // before the event loop runs
            if (!wait_first)
                wait();
            context.run_for(60s);
            REQUIRE(error);
            if (config.watcher == exit_watcher::pidfd && recalls) {
                CHECK_FALSE(error->failed());
                CHECK(status.code() == 6);
                CHECK_FALSE(child.usage());
            } else {
                CHECK(*error == errc::status_lost);
                CHECK(child.wait().error() == errc::status_lost);
            }
        });
    }
}

// The kernel knows the status only once it has removed the child.
TEST_CASE("sigchld: a status is recalled while another thread is still reaping the child" * needs_threads())
{
    if (!denied_syscalls().empty() || !recalls_status()) {
        MESSAGE("skipped: the kernel does not know the status of a process that has been reaped");
        return;
    }
    for (int i = 0; i < 500; ++i) {
        asio::io_context context;
        auto cmd = probe({spawn_backend::automatic, exit_watcher::pidfd}, "exit", "6");
        auto child = spawn(context, cmd).value();
        std::thread thief([pid = child.id()] { ::waitpid(pid, nullptr, 0); });
        std::optional<result<std::optional<exit_status>>> polled;
        do
            polled = child.try_wait();
        while (*polled && !polled->value());
        thief.join();
        REQUIRE(*polled);
        CHECK(polled->value()->code() == 6);
    }
}

TEST_CASE("sigchld: no signal is sent to a pid that another waitpid has reaped")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto child = spawn(context, probe(config, "exit", "0")).value();
        REQUIRE(::waitpid(child.id(), nullptr, 0) == child.id());
        CHECK(child.signal(SIGTERM).error() == std::errc::no_such_process);
        CHECK(child.kill());
    });
}

TEST_CASE("sigchld: a child that gets the pid of one that other code has reaped is not taken for it")
{
    for_each(sigchld_configs(), [](backend_config const& config) {
        for (auto const watcher : {exit_watcher::sigchld, exit_watcher::automatic})
            for (bool waits : {false, true}) {
                CAPTURE(watcher);
                CAPTURE(waits);
                asio::io_context context;
                auto stolen = spawn_pausing(context, config);
                error_code error;
                if (waits)
                    stolen.async_wait([&](error_code ec, exit_status) { error = ec; });
                ::kill(stolen.id(), SIGKILL);
                REQUIRE(::waitpid(stolen.id(), nullptr, 0) == stolen.id());
                auto cmd = probe({config.backend, watcher}, "pause").out(stdio::null());
                auto next = spawn_with_pid(context, stolen.id(), cmd);
                if (!next)
                    return;
                CHECK(stolen.signal(SIGTERM).error() == std::errc::no_such_process);
                CHECK(stolen.try_wait().error() == errc::status_lost);
                context.run_for(waits ? 60s : 0s);
                CHECK(error == (waits ? error_code(errc::status_lost) : error_code()));
                CHECK(next->kill());
                auto const status = next->wait();
                CHECK((status && status.value().signal() == SIGKILL));
            }
    });
}

TEST_CASE("sigchld: children of the application are not reaped")
{
    for_each_config([&](backend_config const& config) {
        pid_t const foreign = ::fork();
        if (foreign == 0)
            ::_exit(3);
        await_zombie(foreign);
        // waitid(2) with P_ALL reports this zombie before all later ones.
        run(check_exit_codes(config, 0, 19));
        int status = 0;
        CHECK(::waitpid(foreign, &status, 0) == foreign);
        CHECK(exit_status::from_raw(status).code() == 3);
    });
}

TEST_CASE("sigchld: simultaneous exits of many children are all reported")
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    auto const configs = sigchld_configs();
    for (bool one_signal : {false, true}) {
        CAPTURE(one_signal);
        asio::io_context context;
        std::vector<child> children;
        std::size_t killed = 0;
        for (std::size_t i = 0; i < 1000; ++i)
            children.push_back(spawn_pausing(context, configs[i % configs.size()]));
        for (auto& each : children)
            each.async_wait([&](error_code, exit_status status) { killed += status.signal() == SIGKILL; });
        if (one_signal)
            ::pthread_sigmask(SIG_BLOCK, &set, &before);
        for (auto& each : children)
            ::kill(each.id(), SIGKILL);
        if (one_signal) {
            for (auto& each : children)
                await_zombie(each.id());
            ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
            context.poll(); // without the periodic scan
        } else {
            context.run_for(60s);
        }
        CHECK(killed == children.size());
    }
}

TEST_CASE("sigchld: signals for other events and other children complete no wait")
{
    for_each(sigchld_configs(), [&](backend_config const& config) {
        saved_disposition const restore;
        install(count); // without SA_NOCLDSTOP: a stopped child raises SIGCHLD
        asio::io_context context;
        auto cmd = probe(config, "wait", "6");
        auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::optional<int> code;
        child.async_wait([&](error_code, exit_status status) { code = status.code(); });

        signal_count = 0;
        ::raise(SIGCHLD);
        CHECK(signal_count > 0);
        siginfo_t info{};
        for (int signal : {SIGSTOP, SIGCONT}) {
            ::kill(child.id(), signal);
            REQUIRE(::waitid(P_PID, static_cast<id_t>(child.id()), &info, WSTOPPED | WCONTINUED) == 0);
        }
        pid_t const foreign = ::fork();
        if (foreign == 0)
            ::_exit(3);
        await_zombie(foreign);
        CHECK(context.poll() > 0);
        CHECK_FALSE(code);

        child.in().close();
        context.run_for(60s);
        CHECK(code == 6);
        int status = 0;
        CHECK(::waitpid(foreign, &status, 0) == foreign);
        CHECK(exit_status::from_raw(status).code() == 3);
    });
}

TEST_CASE("sigchld: an exit that did not fit into the full pipe is reported after the pipe is drained")
{
    for_each(sigchld_configs(), [&](backend_config const& config) {
        asio::io_context context;
        auto child = spawn_pausing(context, config);
        bool killed = false;
        child.async_wait([&](error_code, exit_status status) { killed = status.signal() == SIGKILL; });
        for (int i = 0; i < 20000; ++i)
            ::raise(SIGCHLD);
        ::kill(child.id(), SIGKILL);
        await_zombie(child.id());
        context.poll(); // without the periodic scan
        CHECK(killed);
    });
}

TEST_CASE("sigchld: a handler installed later may forward only the signal number")
{
    for_each(sigchld_configs(), [&](backend_config const& config) {
        saved_disposition const restore;
        asio::io_context context;
        auto child = spawn_pausing(context, config);
        std::optional<int> signal;
        child.async_wait([&](error_code, exit_status status) { signal = status.signal(); });
        struct sigaction installed {};
        ::sigaction(SIGCHLD, nullptr, &installed);
        previous_handler = installed.sa_sigaction;
        install(forward_number);
        ::raise(SIGCHLD);
        // The spawn installs the handler of the library again, so that it runs first and last.
        auto other = spawn(context, probe(config, "exit", "6")).value();
        std::optional<int> code;
        other.async_wait([&](error_code, exit_status status) { code = status.code(); });
        ::raise(SIGCHLD);
        ::kill(child.id(), SIGKILL);
        context.run_for(60s);
        CHECK(signal == SIGKILL);
        CHECK(code == 6);
    });
}

TEST_CASE("sigchld: exits are reported although SIGCHLD is blocked in every thread")
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for_each_config([&](backend_config const& config) {
        ::pthread_sigmask(SIG_BLOCK, &set, &before);
        run(check_exit_codes(config, 6, 6));
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    });
}

TEST_SUITE_END();
