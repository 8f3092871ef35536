// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

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
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("async_spawn");

TEST_CASE("it completes with a child whose program runs")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way const how) -> asio::awaitable<void> {
            auto cmd = probe(how, "exit", "3");
            child made = co_await async_spawn(co_await asio::this_coro::executor, cmd);
            CHECK(made.id() > 0);
            CHECK((made.native_handle() >= 0) == (how.reaper == exit_reaper::pidfd));
            CHECK((co_await made.async_wait()).code() == 3);
        }(w));
    }
}

TEST_CASE("it never completes in the initiating function")
{
    for (auto const& cmd : {probe(all_ways().front(), "exit", "0"), command("/no/such/program"), command("")}) {
        CAPTURE(cmd);
        asio::io_context context;
        bool told = false;
        async_spawn(context, cmd, [&](error_code, child) { told = true; });
        CHECK_FALSE(told);
        context.run_for(60s);
        CHECK(told);
    }
}

TEST_CASE("the event loop goes on while a child sets itself up" * needs_threads())
{
    int gate[2];
    REQUIRE(::pipe2(gate, O_CLOEXEC) == 0);
    asio::io_context context;
    auto cmd = probe({spawn_backend::fork, exit_reaper::automatic}, "exit", "0");
    cmd.fd(gate[0], stdio::fd(gate[0])).pre_exec([end = gate[0]] {
        char opened;
        return ::read(end, &opened, 1) == 1 ? error_code() : error_code(EPIPE, boost::system::system_category());
    });
    std::optional<error_code> told;
    async_spawn(context, cmd, [&](error_code ec, child) { told = ec; });
    asio::post(context, [&] {
        CHECK_FALSE(told);
        REQUIRE(::write(gate[1], "!", 1) == 1); // nobody would, if the loop stood still
    });
    context.run_for(60s);
    CHECK(told == error_code());
    ::close(gate[0]);
    ::close(gate[1]);
}

TEST_CASE("a borrowed descriptor may be closed at once")
{
    for (auto const& w : all_ways())
        for (bool same_number : {false, true}) {
            CAPTURE(w);
            CAPTURE(same_number);
            leaves_nothing guard;
            asio::io_context context;
            int ends[2];
            REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
            REQUIRE(::write(ends[1], "x", 1) == 1);
            ::close(ends[1]);
            auto cmd = probe(w, "copy");
            if (same_number)
                cmd.fd(ends[0], stdio::inherit()).in(stdio::same_as(ends[0]));
            else
                cmd.in(stdio::fd(ends[0]));
            std::optional<child> made;
            async_spawn(context, cmd.out(stdio::null()), [&](error_code ec, child got) {
                CHECK_FALSE(ec.failed());
                made.emplace(std::move(got));
            });
            ::close(ends[0]);
            context.run_for(60s);
            REQUIRE(made);
            CHECK(made->wait().value().success());
        }
}

TEST_CASE("a program that stays busy is told so, after some time")
{
    scratch_folder const folder;
    auto const path = folder.write("program", "#!/bin/sh\n", 0755);
    int const writing = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    REQUIRE(writing >= 0);
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        command cmd(path);
        auto const ec = failure_of(cmd.backend(w.backend));
        CHECK(ec == std::errc::text_file_busy);
        CHECK(stage_of(ec) == spawn_stage::exec);
    }
    ::close(writing);
}

TEST_CASE("cancelled at once, it leaves nothing, a thousand times")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        int aborted = 0;
        auto cmd = probe(w, "ignore", std::to_string(SIGTERM));
        cmd.out(stdio::null());
        for (int i = 0; i < 1000 / static_cast<int>(all_ways().size()); ++i) {
            asio::cancellation_signal cancel;
            bool told = false;
            async_spawn(context, cmd, asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, child none) {
                            told = true;
                            aborted += ec == asio::error::operation_aborted && none.id() == 0;
                            CHECK_FALSE(has_children());
                        }));
            cancel.emit(asio::cancellation_type::partial);
            context.restart();
            context.run_for(60s);
            REQUIRE(told);
        }
        CHECK(aborted == 1000 / static_cast<int>(all_ways().size()));
    }
}

TEST_CASE("cancelled after its completion, it leaves the child alone")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        asio::cancellation_signal cancel;
        std::optional<child> made;
        auto cmd = probe(w, "exit", "5");
        async_spawn(
            context, cmd.in(stdio::piped()),
            asio::bind_cancellation_slot(cancel.slot(), [&](error_code, child got) { made.emplace(std::move(got)); }));
        context.run_for(60s);
        REQUIRE(made);
        cancel.emit(asio::cancellation_type::terminal);
        CHECK(made->wait().value().code() == 5);
    }
}

TEST_CASE("with its event loop destroyed, the child goes and the handler is not called")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const alive = std::make_shared<int>();
        bool told = false;
        {
            asio::io_context context;
            auto cmd = probe(w, "ignore", std::to_string(SIGTERM));
            async_spawn(context, cmd.out(stdio::piped()), [&told, alive](error_code, child) { told = true; });
        }
        CHECK(alive.use_count() == 1);
        CHECK_FALSE(told);
        CHECK(eventually([] { return !has_children(); }));
    }
}

TEST_CASE("a child that nobody takes is killed")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto cmd = probe(w, "ignore", std::to_string(SIGTERM));
        async_spawn(context, cmd.out(stdio::null()), asio::detached);
        context.run_for(60s);
        CHECK(eventually([] { return !has_children(); }));
    }
}

TEST_CASE("the child inherits the mask of the thread that asked for it")
{
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    REQUIRE(::pthread_sigmask(SIG_BLOCK, &one, &before) == 0);
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const blocked = output_of_now(probe(w, "status", "SigBlk"));
        CHECK((std::stoull(blocked, nullptr, 16) & (1ULL << (SIGUSR2 - 1))) != 0);
        CHECK((std::stoull(blocked, nullptr, 16) & (1ULL << (SIGUSR1 - 1))) == 0);
    }
    REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

TEST_CASE("a death signal does not come while the asking thread lives" * doctest::skip(!knows_linux()))
{
    for (auto const& w : all_backends()) {
        if (w.backend == spawn_backend::posix_spawn)
            continue;
        CAPTURE(w);
        auto cmd = probe(w, "copy");
        cmd.in(stdio::piped()).parent_death_signal(SIGKILL);
        run([](command what) -> asio::awaitable<void> {
            auto made = co_await async_spawn(co_await asio::this_coro::executor, what);
            made.in().close();
            CHECK((co_await made.async_wait()).success());
        }(cmd));
    }
}

TEST_CASE("it works with callbacks, futures, tuples and results" * needs_threads())
{
    asio::thread_pool pool(2);
    auto const cmd = probe(all_ways().front(), "exit", "3");
    auto made = async_spawn(pool, cmd, asio::use_future).get();
    CHECK(made.wait().value().code() == 3);
    asio::io_context context;
    asio::co_spawn(
        context,
        [](command what) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            result<child> good = co_await async_spawn(ex, what, as_result);
            CHECK(good.value().wait().value().code() == 3);
            result<child> bad = co_await async_spawn(ex, command("/no/such/program"), as_result);
            CHECK(bad.error() == std::errc::no_such_file_or_directory);
            auto [ec, none] =
                co_await async_spawn(ex, command("/no/such/program"), asio::as_tuple(asio::use_awaitable));
            CHECK(stage_of(ec) == spawn_stage::exec);
            CHECK(none.kill().error() == std::errc::no_such_process);
        }(cmd),
        [](std::exception_ptr failed) { CHECK_FALSE(failed); });
    context.run_for(60s);
    CHECK(context.stopped());
}

TEST_CASE("it completes on the handler's own executor" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context loop, others;
        bool on_theirs = false;
        async_spawn(loop, probe(w, "exit", "0"), asio::bind_executor(others, [&](error_code, child) {
                        on_theirs = others.get_executor().running_in_this_thread();
                    }));
        auto const keep = asio::make_work_guard(loop);
        std::thread thread([&] { loop.run_for(60s); });
        others.run_for(60s);
        loop.stop();
        thread.join();
        CHECK(on_theirs);
    }
}

TEST_CASE("under awaitable operators it gives way without a trace")
{
    using namespace asio::experimental::awaitable_operators;
    leaves_nothing guard;
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way const how) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto cmd = probe(how, "pause");
            cmd.out(stdio::null());
            auto const first =
                co_await (async_spawn(ex, cmd, asio::use_awaitable) || asio::post(ex, asio::use_awaitable));
            (void)first;
        }(w));
        CHECK(eventually([] { return !has_children(); }));
    }
}

TEST_SUITE_END();
