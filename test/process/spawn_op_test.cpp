// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/launcher.hpp"
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/support.hpp"
#include "support/system.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("spawn_op");

TEST_CASE("async_spawn: completes with a child that runs the program")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto cmd = probe(config, "exit", "3");
        child started = co_await async_spawn(co_await asio::this_coro::executor, cmd);
        CHECK(started.id() > 0);
        CHECK((started.native_handle() >= 0) == (config.watcher == exit_watcher::pidfd));
        CHECK((co_await started.async_wait()).code() == 3);
    });
}

TEST_CASE("async_spawn: does not complete inside the initiating function")
{
    for (auto const& cmd : {probe(all_configs().front(), "exit", "0"), command("/no/such/program"), command("")}) {
        CAPTURE(cmd);
        asio::io_context context;
        bool completed = false;
        async_spawn(context, cmd, [&](error_code, child) { completed = true; });
        CHECK_FALSE(completed);
        context.run_for(60s);
        CHECK(completed);
    }
}

TEST_CASE("async_spawn: does not block the event loop while the child runs its pre_exec hook" * needs_threads())
{
    int gate[2];
    REQUIRE(system::make_pipe(gate));
    asio::io_context context;
    auto cmd = probe({spawn_backend::fork, exit_watcher::automatic}, "exit", "0");
    cmd.fd(gate[0], stdio::fd(gate[0])).pre_exec([end = gate[0]] {
        char opened;
        return ::read(end, &opened, 1) == 1 ? error_code() : error_code(EPIPE, boost::system::system_category());
    });
    std::optional<error_code> error;
    async_spawn(context, cmd, [&](error_code ec, child) { error = ec; });
    asio::post(context, [&] {
        CHECK_FALSE(error);
        REQUIRE(::write(gate[1], "!", 1) == 1); // a blocked loop would never open the gate
    });
    context.run_for(60s);
    CHECK(error == error_code());
    ::close(gate[0]);
    ::close(gate[1]);
}

TEST_CASE("async_spawn: a borrowed descriptor may be closed after the initiating function")
{
    for (bool same_number : {false, true}) {
        CAPTURE(same_number);
        for_each_config([&](backend_config const& config) {
            asio::io_context context;
            int ends[2];
            REQUIRE(system::make_pipe(ends));
            REQUIRE(::write(ends[1], "x", 1) == 1);
            ::close(ends[1]);
            auto cmd = probe(config, "copy");
            if (same_number)
                cmd.fd(ends[0], stdio::inherit()).in(stdio::same_as(ends[0]));
            else
                cmd.in(stdio::fd(ends[0]));
            std::optional<child> started;
            async_spawn(context, cmd.out(stdio::null()), [&](error_code ec, child spawned) {
                CHECK_FALSE(ec.failed());
                started.emplace(std::move(spawned));
            });
            ::close(ends[0]);
            context.run_for(60s);
            REQUIRE(started);
            CHECK(started->wait().value().success());
        });
    }
}

TEST_CASE("async_spawn: a program that stays open for writing is reported as busy after the retries")
{
    scratch_folder const folder;
    auto const path = folder.write("program", "#!/bin/sh\n", 0755);
    int const writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    REQUIRE(writer >= 0);
    for_each_backend([&](backend_config const& config) {
        command cmd(path);
        auto const start = std::chrono::steady_clock::now();
        auto const ec = failure_of(cmd.backend(config.backend));
        CHECK(std::chrono::steady_clock::now() - start >= 60ms); // a busy program usually becomes free within that time
        CHECK(ec == std::errc::text_file_busy);
        CHECK(stage_of(ec) == spawn_stage::exec);
    });
    ::close(writer);
}

TEST_CASE("async_spawn: a program that is no longer busy is started by the second attempt" * needs_threads())
{
    if (!detail::available(spawn_backend::vfork) || denied_syscalls().find("clone3") != std::string_view::npos)
        return; // the first attempt already runs on a thread, which retries
    leak_check const leaks;
    scratch_folder const folder;
    auto const path = folder.write("program", "#!/bin/sh\nexit 5\n", 0755);
    int const writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    REQUIRE(writer >= 0);
    asio::io_context context;
    std::optional<child> started;
    command cmd(path);
    async_spawn(context, cmd.backend(spawn_backend::vfork), [&](error_code ec, child spawned) {
        CHECK(ec == error_code());
        started.emplace(std::move(spawned));
    });
    // The first child has failed.
    REQUIRE(eventually([] {
        siginfo_t info{};
        return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
    }));
    ::close(writer);
    context.run_for(60s);
    REQUIRE(started);
    CHECK(started->wait().value().code() == 5);
}

TEST_CASE("async_spawn: an immediate cancellation leaves no child, in 1,000 calls")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        int aborted = 0;
        auto cmd = probe(config, "ignore", std::to_string(SIGTERM));
        cmd.out(stdio::null());
        for (int i = 0; i < 1000 / static_cast<int>(all_configs().size()); ++i) {
            asio::cancellation_signal cancel;
            bool completed = false;
            async_spawn(context, cmd, asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, child none) {
                            completed = true;
                            aborted += ec == asio::error::operation_aborted && none.id() == 0;
                            CHECK_FALSE(has_children());
                        }));
            cancel.emit(asio::cancellation_type::partial);
            context.restart();
            context.run_for(60s);
            REQUIRE(completed);
        }
        CHECK(aborted == 1000 / static_cast<int>(all_configs().size()));
    });
}

TEST_CASE("async_spawn: a cancellation after the completion does not affect the child")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        asio::cancellation_signal cancel;
        std::optional<child> started;
        auto cmd = probe(config, "exit", "5");
        async_spawn(
            context, cmd.in(stdio::piped()),
            asio::bind_cancellation_slot(
                cancel.slot(), [&](error_code, child spawned) { started.emplace(std::move(spawned)); }));
        context.run_for(60s);
        REQUIRE(started);
        cancel.emit(asio::cancellation_type::terminal);
        CHECK(started->wait().value().code() == 5);
    });
}

TEST_CASE("async_spawn: destroying the event loop kills the child and does not call the handler")
{
    for_each_config([&](backend_config const& config) {
        auto const token = std::make_shared<int>();
        bool invoked = false;
        {
            asio::io_context context;
            auto cmd = probe(config, "ignore", std::to_string(SIGTERM));
            async_spawn(context, cmd.out(stdio::piped()), [&invoked, token](error_code, child) { invoked = true; });
        }
        CHECK(token.use_count() == 1);
        CHECK_FALSE(invoked);
    });
}

TEST_CASE("async_spawn: a child whose completion is discarded is killed")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "ignore", std::to_string(SIGTERM));
        async_spawn(context, cmd.out(stdio::null()), asio::detached);
        context.run_for(60s);
    });
}

// A handler of the parent would run in the child's copy of its code, on the parent's memory.
TEST_CASE(
    "async_spawn: a signal that arrives before the exec runs no handler of the parent in the child" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        scratch_folder const folder;
        auto const path = folder.path("fifo");
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        forked process([&] {
            static pid_t parent;
            static volatile bool handled_by_child = false;
            parent = ::getpid();
            ::setpgid(0, 0);
            // By default, the signal is ignored.
            ::signal(SIGWINCH, [](int) { handled_by_child = handled_by_child || ::getpid() != parent; });
            asio::io_context context;
            bool started = false;
            auto cmd = probe(config, "exit", "0");
            cmd.in(stdio::file(path, open_mode::read));
            async_spawn(context, cmd, [&](error_code ec, child) { started = !ec.failed(); });
            ::kill(0, SIGWINCH); // pending in the child, which opens its input first
            int const writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
            context.run_for(60s);
            return writer >= 0 && started && !handled_by_child;
        });
        CHECK(process.succeeds());
    });
}

// Blocks SIGUSR2 while a function starts something.
template <class Start>
void start_with_usr2_blocked(Start start)
{
    sigset_t usr2, before;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &usr2, &before);
    start();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool blocks_usr2_alone(std::string const& blocked)
{
    auto const bits = std::stoull(blocked, nullptr, 16);
    return (bits & (1ULL << (SIGUSR2 - 1))) != 0 && (bits & (1ULL << (SIGUSR1 - 1))) == 0;
}

TEST_CASE("async_spawn: the child inherits the signal mask of the initiating thread" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        std::string blocked;
        start_with_usr2_blocked([&] {
            async_output(
                context, probe(config, "status", "SigBlk"), [&](error_code, output result) { blocked = result.out; });
        });
        context.run_for(60s);
        CHECK(blocks_usr2_alone(blocked));
    });
}

TEST_CASE("async_spawn: a second attempt keeps the signal mask of the initiating thread" * needs_threads())
{
    scratch_folder const folder;
    auto const path = folder.path("busy");
    std::filesystem::copy(probe_path(), path);
    for_each_config([&](backend_config const& config) {
        int const writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        REQUIRE(writer >= 0);
        asio::io_context context;
        std::string blocked;
        command cmd(path, "status", "SigBlk");
        start_with_usr2_blocked([&] {
            async_output(context, cmd.backend(config.backend).watcher(config.watcher), [&](error_code, output result) {
                blocked = result.out;
            });
        });
        context.run_for(5ms); // the first attempt fails
        ::close(writer);
        context.restart();
        context.run_for(60s);
        CHECK(blocks_usr2_alone(blocked));
    });
}

TEST_CASE("async_spawn: before the exec a signal ends the child, or stays pending if the command blocks it")
{
    if (!detail::available(spawn_backend::vfork) || denied_syscalls().find("clone3") != std::string_view::npos)
        return; // the child may not exist yet when the initiating function returns
    for (bool const blocks : {true, false}) {
        CAPTURE(blocks);
        scratch_folder const folder;
        auto const path = folder.path("fifo");
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        forked process([&] {
            ::setpgid(0, 0);
            ::signal(SIGUSR2, [](int) {}); // in this process
            asio::io_context context;
            std::optional<output> ended;
            command cmd(probe_path(), "status", "ShdPnd");
            cmd.in(stdio::file(path, open_mode::read)).backend(spawn_backend::vfork);
            if (blocks)
                cmd.signal_mask({SIGUSR2});
            async_output(context, cmd, [&](error_code, output result) { ended = std::move(result); });
            ::kill(0, SIGUSR2); // the child opens its input first
            int const writer = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
            context.run_for(60s);
            ::close(writer);
            return ended && (blocks ? blocks_usr2_alone(ended->out) : ended->status.signal() == SIGUSR2);
        });
        CHECK(process.succeeds());
    }
}

TEST_CASE(
    "async_spawn: the parent-death signal is not sent while the initiating thread lives" *
    doctest::skip(!knows_linux()))
{
    for_each_backend([&](backend_config const& config) {
        if (config.backend == spawn_backend::posix_spawn)
            return;
        auto cmd = probe(config, "copy");
        cmd.in(stdio::piped()).parent_death_signal(SIGKILL);
        run([](command copy) -> asio::awaitable<void> {
            auto started = co_await async_spawn(co_await asio::this_coro::executor, copy);
            started.in().close();
            CHECK((co_await started.async_wait()).success());
        }(cmd));
    });
}

TEST_CASE("async_spawn: supports callbacks, futures, tuples and results" * needs_threads())
{
    asio::thread_pool pool(2);
    auto const cmd = probe(all_configs().front(), "exit", "3");
    auto started = async_spawn(pool, cmd, asio::use_future).get();
    CHECK(started.wait().value().code() == 3);
    asio::io_context context;
    asio::co_spawn(
        context,
        [](command program) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            result<child> good = co_await async_spawn(ex, program, as_result);
            CHECK(good.value().wait().value().code() == 3);
            result<child> bad = co_await async_spawn(ex, command("/no/such/program"), as_result);
            CHECK(bad.error() == std::errc::no_such_file_or_directory);
            auto [ec, none] =
                co_await async_spawn(ex, command("/no/such/program"), asio::as_tuple(asio::use_awaitable));
            CHECK(stage_of(ec) == spawn_stage::exec);
            CHECK(none.kill().error() == std::errc::no_such_process);
        }(cmd),
        [](std::exception_ptr error) { CHECK_FALSE(error); });
    context.run_for(60s);
    CHECK(context.stopped());
}

TEST_CASE("async_spawn: completes on the associated executor of the handler" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context, handler_context;
        bool on_handler_context = false;
        async_spawn(context, probe(config, "exit", "0"), asio::bind_executor(handler_context, [&](error_code, child) {
                        on_handler_context = handler_context.get_executor().running_in_this_thread();
                    }));
        auto const work = asio::make_work_guard(context);
        std::thread thread([&] { context.run_for(60s); });
        handler_context.run_for(60s);
        context.stop();
        thread.join();
        CHECK(on_handler_context);
    });
}

TEST_CASE("async_spawn: losing a race under awaitable operators leaves no child")
{
    using namespace asio::experimental::awaitable_operators;
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto cmd = probe(config, "pause");
        cmd.out(stdio::null());
        auto const first = co_await (async_spawn(ex, cmd, asio::use_awaitable) || asio::post(ex, asio::use_awaitable));
        (void)first;
    });
}

TEST_SUITE_END();
