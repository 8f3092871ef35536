// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_output.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <thread>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

output_options with_input(std::string const& text)
{
    output_options options;
    options.input = asio::buffer(text);
    return options;
}

output_options with_limit(std::size_t limit, limit_policy policy)
{
    output_options options;
    options.limit = limit;
    options.on_limit = policy;
    return options;
}

output captured(command cmd, output_options options = {})
{
    running_output op(std::move(cmd), std::move(options));
    CHECK_FALSE(op.finish().error.failed());
    return std::move(op.told);
}

// Bytes that would show if some were lost or moved.
std::string long_text()
{
    std::string text;
    while (text.size() < 5'000'000)
        text += std::to_string(text.size()) + "\n";
    return text;
}

} // namespace

TEST_SUITE_BEGIN("output");

TEST_CASE("async_output gives the status and both outputs, and leaves nothing")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            output const out = co_await async_output(ex, probe(by, "write", "1", "text"));
            CHECK(out.status.success());
            CHECK(out.out == "text");
            CHECK(out.err.empty());
            CHECK_FALSE(out.truncated);
            output const err = co_await async_output(ex, probe(by, "write", "2", "trouble"), output_options());
            CHECK(err.out.empty());
            CHECK(err.err == "trouble");
            output const failed = co_await async_output(ex, probe(by, "exit", "21"));
            CHECK(failed.status.code() == 21);
            output const killed = co_await async_output(ex, probe(by, "raise", std::to_string(SIGKILL)));
            CHECK(killed.status.signal() == SIGKILL);
        }(w));
    }
}

TEST_CASE("input and both outputs may all be larger than any pipe")
{
    auto const text = long_text();
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        running_output op(probe(w, "copy-to-both"), with_input(text));
        op.finish();
        CHECK_FALSE(op.error.failed());
        CHECK(op.told.status.success());
        CHECK((op.told.out == text));
        CHECK((op.told.err == text));
    }
}

TEST_CASE("a child may stop reading early, and this process gets no SIGPIPE")
{
    std::string const text(1'000'000, 'x');
    for (auto const& w : all_ways())
        for (auto action : {SIG_DFL, SIG_IGN}) {
            CAPTURE(w);
            leaves_nothing guard;
            auto const before = ::signal(SIGPIPE, action);
            {
                running_output op(probe(w, "exit", "3"), with_input(text));
                op.finish();
                CHECK_FALSE(op.error.failed());
                CHECK(op.told.status.code() == 3);
            }
            {
                running_output op(probe(w, "close-input", "500000"), with_input(text));
                op.finish();
                CHECK_FALSE(op.error.failed());
                CHECK(op.told.out.size() == 500'000);
            }
            CHECK((::signal(SIGPIPE, before) == action));
        }
}

TEST_CASE("what the command sets for a stream stays, and is not captured")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        std::string const text = "input";

        auto both = probe(w, "copy-to-both");
        auto const together = captured(both.err(stdio::same_as(1)), with_input(text));
        CHECK(together.out == "inputinput");
        CHECK(together.err.empty());

        auto const crossed = captured(both.out(stdio::same_as(2)).err(stdio::piped()), with_input(text));
        CHECK(crossed.err == "inputinput");
        CHECK(crossed.out.empty());

        both.out(stdio::file(folder.path("out"), open_mode::write)).err(stdio::null());
        auto const elsewhere = captured(both, with_input(text));
        CHECK(elsewhere.out.empty());
        CHECK(elsewhere.err.empty());
        CHECK(folder.read("out") == "input");

        auto copy = probe(w, "copy");
        copy.in(stdio::file(folder.path("out"), open_mode::read));
        CHECK(captured(copy, with_input("unused")).out == "input");
        CHECK(captured(copy.in(stdio::piped()).out(stdio::piped()), with_input(text)).out == "input");
        CHECK(captured(copy.in(stdio::piped())).out.empty());

        auto files = probe(w, "files", "0");
        auto const by_default = captured(files).out;
        CHECK(captured(files.in(stdio::null())).out == by_default);
    }
}

TEST_CASE("a child that closes its outputs and lives on is waited for")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto input = os::make_pipe().value();
        side_channel side;
        auto cmd = probe(w, "--to=3", "close-outputs", "4");
        running_output op(cmd.in(stdio::fd(input.first.get())).fd(3, side.child_end()));
        CHECK(side.line() == "ready");
        op.context.poll();
        CHECK_FALSE(op.done);
        input.second.reset();
        CHECK(op.finish().told.status.code() == 4);
        CHECK_FALSE(op.error.failed());
    }
}

TEST_CASE("output up to the limit is no error, one byte more is told")
{
    for (auto const& w : all_ways())
        for (auto policy : {limit_policy::stop_child, limit_policy::discard})
            for (std::size_t over : {0u, 1u, 300'000u})
                for (int fd : {1, 2}) {
                    CAPTURE(w);
                    CAPTURE(over);
                    CAPTURE(fd);
                    CAPTURE((policy == limit_policy::discard));
                    std::size_t const limit = 100'000;
                    running_output op(
                        probe(w, "write-much", std::to_string(fd), std::to_string(limit + over)),
                        with_limit(limit, policy));
                    op.finish();
                    bool const fails = over > 0 && policy == limit_policy::stop_child;
                    CHECK(op.error == (fails ? error_code(errc::output_limit_exceeded) : error_code()));
                    CHECK(op.told.truncated == (over > 0));
                    CHECK((fd == 1 ? op.told.out : op.told.err) == std::string(limit, 'x'));
                    CHECK((fd == 1 ? op.told.err : op.told.out).empty());
                    if (!fails)
                        CHECK(op.told.status.success());
                }
}

TEST_CASE("a child that would write for ever is stopped at the limit")
{
    for (auto const& w : all_ways())
        for (std::size_t limit : {0u, 1u, 1'000'000u}) {
            CAPTURE(w);
            leaves_nothing guard;
            auto cmd = probe(w, "write-much", "1", "100000000000");
            running_output op(cmd, with_limit(limit, limit_policy::stop_child));
            op.finish();
            CHECK(op.error == errc::output_limit_exceeded);
            CHECK(op.told.status.signal() == SIGTERM);
            CHECK(op.told.out.size() == limit);
            CHECK(op.told.truncated);
        }
}

TEST_CASE("a failed spawn is told with its stage, and leaves nothing")
{
    std::string const text(1000, 'x');
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        leaves_nothing guard;
        command missing("/nowhere");
        running_output op(missing.backend(w.backend), with_input(text));
        op.finish();
        CHECK(stage_of(op.error) == spawn_stage::exec);
        CHECK(op.error == std::errc::no_such_file_or_directory);
        CHECK(op.told.status == exit_status());
    }
}

TEST_CASE("what makes no sense is refused before anything is started")
{
    leaves_nothing guard;
    scratch_folder folder;
    command cmd("true");
    cmd.out(stdio::file(folder.path("made"), open_mode::write));

    output_options options;
    options.stop = stop_plan(1000, 1s);
    running_output no_signal(cmd, options);
    CHECK(no_signal.finish().error == std::errc::invalid_argument);

    running_output channel(cmd.fd(5, stdio::piped()));
    CHECK(channel.finish().error == std::errc::invalid_argument);
    CHECK(stage_of(channel.error) == spawn_stage::stdio);
    CHECK_FALSE(std::filesystem::exists(folder.path("made")));
}

TEST_CASE("a descendant that holds a pipe delays the end by the grace at most")
{
    for (auto const& w : all_ways())
        for (duration grace : {duration(-1s), duration(0s), duration(1ms)}) {
            CAPTURE(w);
            leaves_nothing guard;
            output_options options;
            options.drain_grace = grace;
            running_output op(probe(w, "grandchild"), options);
            op.finish();
            CHECK(op.error == errc::output_incomplete);
            CHECK(op.told.status.success());
            pid_t const grandchild = std::atoi(op.told.out.c_str());
            REQUIRE(grandchild > 1);
            CHECK(is_alive(grandchild));
            ::kill(grandchild, SIGKILL);
        }
}

TEST_CASE("what a descendant writes within the grace is kept")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        output_options options;
        options.drain_grace = 1h;
        running_output op(probe(w, "late-writer"), options);
        op.finish();
        CHECK_FALSE(op.error.failed());
        CHECK(op.told.out == "late\n");
        CHECK(op.told.status.success());
    }
}

TEST_CASE("without any grace, what the child has written is complete")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        output_options options;
        options.drain_grace = 0s;
        for (int i = 0; i < 20; ++i) {
            running_output op(probe(w, "write-much", "1", "60000"), options);
            op.finish();
            CHECK_FALSE(op.error.failed());
            CHECK(op.told.out.size() == 60'000);
        }
    }
}

TEST_CASE("completion tokens of every kind take it")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto const cmd = probe(by, "write", "1", "text");
            output_options const options;
            CHECK((co_await async_output(ex, cmd, asio::use_awaitable)).out == "text");
            CHECK((co_await async_output(ex, cmd, options, asio::deferred)).out == "text");
            CHECK((co_await async_output(ex, cmd, as_result)).value().out == "text");
            auto const both = co_await async_output(ex, cmd, options, asio::as_tuple(asio::use_awaitable));
            CHECK(std::get<1>(both).out == "text");
        }(w));
        asio::io_context context;
        auto future = async_output(context, probe(w, "write", "1", "text"), asio::use_future);
        context.run_for(60s);
        CHECK(future.get().out == "text");
    }
}

TEST_CASE("four threads run one context" * needs_threads())
{
    auto const text = long_text();
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        std::atomic<int> right = 0;
        for (int i = 0; i < 8; ++i)
            async_output(context, probe(w, "copy-to-both"), with_input(text), [&](error_code ec, output told) {
                right += !ec.failed() && told.out == text && told.err == text;
            });
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] { context.run_for(60s); });
        for (auto& thread : threads)
            thread.join();
        CHECK(right == 8);
    }
}

TEST_CASE("a thread pool and a strand are executors too" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::thread_pool pool(3);
        auto const strand = asio::make_strand(pool);
        std::atomic<int> right = 0;
        for (int i = 0; i < 10; ++i) {
            async_output(pool, probe(w, "write", "1", "text"), [&](error_code ec, output told) {
                right += !ec.failed() && told.out == "text";
            });
            async_output(strand, probe(w, "write", "2", "text"), [&](error_code ec, output told) {
                right += !ec.failed() && told.err == "text" && strand.running_in_this_thread();
            });
        }
        pool.join();
        CHECK(right == 20);
    }
}

TEST_SUITE_END();
