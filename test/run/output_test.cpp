// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/running_operation.hpp"
#include "support/side_channel.hpp"

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
    options.input(asio::buffer(text));
    return options;
}

output_options with_limit(std::size_t limit, limit_policy policy)
{
    output_options options;
    options.limit(limit, policy);
    return options;
}

output output_without_error(command cmd, output_options options = {})
{
    running_output op(std::move(cmd), std::move(options));
    CHECK_FALSE(op.finish().error.failed());
    return std::move(op.result);
}

/// No two parts of the text are equal: a lost or moved part changes it.
std::string long_text()
{
    std::string text;
    while (text.size() < 5'000'000)
        text += std::to_string(text.size()) + "\n";
    return text;
}

} // namespace

TEST_SUITE_BEGIN("output");

TEST_CASE("async_output: completes with the exit status and both outputs")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        output const out = co_await async_output(ex, probe(config, "write", "1", "text"));
        CHECK(out.status.success());
        CHECK(out.out == "text");
        CHECK(out.err.empty());
        CHECK_FALSE(out.truncated);
        output const err = co_await async_output(ex, probe(config, "write", "2", "trouble"), output_options());
        CHECK(err.out.empty());
        CHECK(err.err == "trouble");
        output const failed = co_await async_output(ex, probe(config, "exit", "21"));
        CHECK(failed.status.code() == 21);
        output const killed = co_await async_output(ex, probe(config, "raise", std::to_string(SIGKILL)));
        CHECK(killed.status.signal() == SIGKILL);
    });
}

TEST_CASE("async_output: input and both outputs may exceed the capacity of a pipe")
{
    auto const text = long_text();
    for_each_config([&](backend_config const& config) {
        running_output op(probe(config, "copy-to-both"), with_input(text));
        op.finish();
        CHECK_FALSE(op.error.failed());
        CHECK(op.result.status.success());
        CHECK((op.result.out == text));
        CHECK((op.result.err == text));
    });
}

TEST_CASE("async_output: a child may close its input early, and the parent receives no SIGPIPE")
{
    std::string const text(1'000'000, 'x');
    for (auto action : {SIG_DFL, SIG_IGN}) {
        bool const ignored = action == SIG_IGN;
        CAPTURE(ignored);
        for_each_config([&](backend_config const& config) {
            auto const before = ::signal(SIGPIPE, action);
            {
                running_output op(probe(config, "exit", "3"), with_input(text));
                op.finish();
                CHECK_FALSE(op.error.failed());
                CHECK(op.result.status.code() == 3);
            }
            {
                running_output op(probe(config, "close-input", "500000"), with_input(text));
                op.finish();
                CHECK_FALSE(op.error.failed());
                CHECK(op.result.out.size() == 500'000);
            }
            CHECK((::signal(SIGPIPE, before) == action));
        });
    }
}

TEST_CASE("async_output: the options may own the input")
{
    for_each_config([](backend_config const& config) {
        auto const copy = probe(config, "copy");
        CHECK(output_without_error(copy, output_options().input("text")).out == "text");
        std::string const much(300'000, 'x');
        output_options const options = output_options().input(std::string(much));
        CHECK(output_without_error(copy, output_options(options)).out == much); // a copy of the options
        std::string const other = "other";
        CHECK(output_without_error(copy, output_options(options).input(asio::buffer(other))).out == "other");
        CHECK(output_without_error(copy, with_input("first").input("second")).out == "second");
        CHECK(output_without_error(copy, output_options().input("")).out.empty());
    });
}

TEST_CASE(
    "async_output: an input that cannot be written is an error, not a closed input" *
    doctest::skip(!can_deny_syscalls()))
{
    for (std::string const error : {"EIO", "ENOMEM"}) {
        CAPTURE(error);
        forked copy([&] {
            deny_syscalls("pwritev2=" + error + ",writev=" + error);
            running_output op(command(probe_path(), "copy"), with_input("text"));
            op.finish();
            return op.error == (error == "EIO" ? std::errc::io_error : std::errc::not_enough_memory);
        });
        CHECK(copy.succeeds());
    }
}

TEST_CASE("async_output: reports the resources that the child used and its run time")
{
    for_each_config([](backend_config const& config) {
        auto const before = std::chrono::steady_clock::now();
        running_output op(probe(config, "write", "1", "text"));
        op.finish();
        auto const between = std::chrono::steady_clock::now() - before;
        REQUIRE(op.result.usage);
        CHECK(op.result.usage->max_rss > 0);
        CHECK(op.result.elapsed > 0s);
        CHECK(op.result.elapsed <= between);

        running_output missing(command("/nowhere").backend(config.backend).watcher(config.watcher));
        CHECK(missing.finish().error.failed());
        CHECK_FALSE(missing.result.usage);
        CHECK(missing.result.elapsed == 0s);
    });
}

TEST_CASE("async_output: a stream that the command sets is not replaced by a pipe")
{
    for_each_config([](backend_config const& config) {
        scratch_folder folder;
        std::string const text = "input";

        auto both = probe(config, "copy-to-both");
        auto const together = output_without_error(both.err(stdio::same_as(1)), with_input(text));
        CHECK(together.out == "inputinput");
        CHECK(together.err.empty());

        auto const crossed = output_without_error(both.out(stdio::same_as(2)).err(stdio::piped()), with_input(text));
        CHECK(crossed.err == "inputinput");
        CHECK(crossed.out.empty());

        both.out(stdio::file(folder.path("out"), open_mode::write)).err(stdio::null());
        auto const in_file = output_without_error(both, with_input(text));
        CHECK(in_file.out.empty());
        CHECK(in_file.err.empty());
        CHECK(folder.read("out") == "input");

        auto copy = probe(config, "copy");
        copy.in(stdio::file(folder.path("out"), open_mode::read));
        CHECK(output_without_error(copy).out == "input");
        for (auto const& other : {stdio::inherit(), stdio::null(), stdio::file(folder.path("out"), open_mode::read)}) {
            running_output unused(command(copy).in(other), with_input("unused"));
            CHECK(unused.finish().error == std::errc::invalid_argument);
        }
        CHECK(output_without_error(copy.in(stdio::piped()).out(stdio::piped()), with_input(text)).out == "input");
        CHECK(output_without_error(copy.in(stdio::piped())).out.empty());

        auto files = probe(config, "files", "0");
        auto const by_default = output_without_error(files).out;
        CHECK(output_without_error(files.in(stdio::null())).out == by_default);
    });
}

TEST_CASE("async_output: waits for a child that has closed its outputs")
{
    for_each_config([](backend_config const& config) {
        auto input = os::make_pipe().value();
        side_channel side;
        auto cmd = probe(config, "--to=3", "close-outputs", "4");
        running_output op(cmd.in(stdio::fd(input.first.get())).fd(3, side.child_end()));
        CHECK(side.line() == "ready");
        op.context.poll();
        CHECK_FALSE(op.done);
        input.second.reset();
        CHECK(op.finish().result.status.code() == 4);
        CHECK_FALSE(op.error.failed());
    });
}

TEST_CASE("async_output: the output may reach the limit but not exceed it")
{
    struct limit_case {
        limit_policy policy;
        std::size_t excess;
        bool fails;
    };
    for (auto const& row : {
             limit_case{limit_policy::stop_child, 0, false},
             limit_case{limit_policy::stop_child, 1, true},
             limit_case{limit_policy::stop_child, 300'000, true},
             limit_case{limit_policy::discard, 0, false},
             limit_case{limit_policy::discard, 1, false},
             limit_case{limit_policy::discard, 300'000, false},
         })
        for (int fd : {1, 2}) {
            CAPTURE((row.policy == limit_policy::discard));
            CAPTURE(row.excess);
            CAPTURE(fd);
            for_each_config([&](backend_config const& config) {
                std::size_t const limit = 100'000;
                running_output op(
                    probe(config, "write-much", std::to_string(fd), std::to_string(limit + row.excess)),
                    with_limit(limit, row.policy));
                op.finish();
                CHECK(op.error == (row.fails ? error_code(errc::output_limit_exceeded) : error_code()));
                CHECK(op.result.truncated == (row.excess > 0));
                CHECK((fd == 1 ? op.result.out : op.result.err) == std::string(limit, 'x'));
                CHECK((fd == 1 ? op.result.err : op.result.out).empty());
                if (!row.fails)
                    CHECK(op.result.status.success());
            });
        }
}

TEST_CASE("async_output: a child that writes without end is stopped at the limit")
{
    for (std::size_t limit : {0u, 1u, 1'000'000u}) {
        CAPTURE(limit);
        for_each_config([&](backend_config const& config) {
            auto cmd = probe(config, "write-much", "1", "100000000000");
            running_output op(cmd, with_limit(limit, limit_policy::stop_child));
            op.finish();
            CHECK(op.error == errc::output_limit_exceeded);
            CHECK(op.result.status.signal() == SIGTERM);
            CHECK(op.result.out.size() == limit);
            CHECK(op.result.truncated);
        });
    }
}

TEST_CASE("async_output: a failed spawn is reported with its stage")
{
    std::string const text(1000, 'x');
    for_each_backend([&](backend_config const& config) {
        command missing("/nowhere");
        running_output op(missing.backend(config.backend), with_input(text));
        op.finish();
        CHECK(stage_of(op.error) == spawn_stage::exec);
        CHECK(op.error == std::errc::no_such_file_or_directory);
        CHECK(op.result.status == exit_status());
    });
}

TEST_CASE("async_output: invalid options and pipes are refused before the files are opened")
{
    leak_check const leaks;
    scratch_folder folder;
    command cmd("true");
    cmd.out(stdio::file(folder.path("out"), open_mode::write));

    output_options options;
    options.stop(stop_plan(1000, 1s));
    running_output invalid_signal(cmd, options);
    CHECK(invalid_signal.finish().error == std::errc::invalid_argument);

    running_output channel(cmd.fd(5, stdio::piped()));
    CHECK(channel.finish().error == std::errc::invalid_argument);
    CHECK(channel.error == errc::unexpected_pipe);
    CHECK_FALSE(std::filesystem::exists(folder.path("out")));
}

TEST_CASE("async_output: a descendant that holds a pipe open delays the completion by drain_grace at most")
{
    for (duration grace : {duration(-1s), duration(0s), duration(1ms)}) {
        CAPTURE(grace.count());
        for_each_config([&](backend_config const& config) {
            output_options options;
            options.drain_grace(grace);
            running_output op(probe(config, "grandchild"), options);
            op.finish();
            CHECK(op.error == errc::output_incomplete);
            CHECK(op.result.status.success());
            pid_t const grandchild = std::atoi(op.result.out.c_str());
            REQUIRE(grandchild > 1);
            CHECK(is_alive(grandchild));
            ::kill(grandchild, SIGKILL);
        });
    }
}

TEST_CASE("async_output: data that a descendant writes within drain_grace is kept")
{
    for_each_config([](backend_config const& config) {
        output_options options;
        options.drain_grace(1h);
        running_output op(probe(config, "late-writer"), options);
        op.finish();
        CHECK_FALSE(op.error.failed());
        CHECK(op.result.out == "late\n");
        CHECK(op.result.status.success());
    });
}

TEST_CASE("async_output: with a drain_grace of 0, the output of the child is complete")
{
    for_each_config([](backend_config const& config) {
        output_options options;
        options.drain_grace(0s);
        for (int i = 0; i < 20; ++i) {
            running_output op(probe(config, "write-much", "1", "60000"), options);
            op.finish();
            CHECK_FALSE(op.error.failed());
            CHECK(op.result.out.size() == 60'000);
        }
    });
}

TEST_CASE("async_output: supports all kinds of completion tokens")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const cmd = probe(config, "write", "1", "text");
        output_options const options;
        CHECK((co_await async_output(ex, cmd, asio::use_awaitable)).out == "text");
        CHECK((co_await async_output(ex, cmd, options, asio::deferred)).out == "text");
        CHECK((co_await async_output(ex, cmd, as_result)).value().out == "text");
        auto const both = co_await async_output(ex, cmd, options, asio::as_tuple(asio::use_awaitable));
        CHECK(std::get<1>(both).out == "text");
    });
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto future = async_output(context, probe(config, "write", "1", "text"), asio::use_future);
        context.run_for(60s);
        CHECK(future.get().out == "text");
    });
}

TEST_CASE("async_output: several threads may run the context" * needs_threads())
{
    auto const text = long_text();
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        std::atomic<int> complete = 0;
        for (int i = 0; i < 8; ++i)
            async_output(context, probe(config, "copy-to-both"), with_input(text), [&](error_code ec, output result) {
                complete += !ec.failed() && result.out == text && result.err == text;
            });
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] { context.run_for(60s); });
        for (auto& thread : threads)
            thread.join();
        CHECK(complete == 8);
    });
}

TEST_CASE("async_output: supports thread pools and strands as executors" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        asio::thread_pool pool(3);
        auto const strand = asio::make_strand(pool);
        std::atomic<int> complete = 0;
        for (int i = 0; i < 10; ++i) {
            async_output(pool, probe(config, "write", "1", "text"), [&](error_code ec, output result) {
                complete += !ec.failed() && result.out == "text";
            });
            async_output(strand, probe(config, "write", "2", "text"), [&](error_code ec, output result) {
                complete += !ec.failed() && result.err == "text" && strand.running_in_this_thread();
            });
        }
        pool.join();
        CHECK(complete == 20);
    });
}

TEST_CASE("async_output: pieces go to functions and are not kept")
{
    for_each_config([](backend_config const& config) {
        std::string const text(300'000, 'x');
        std::string out, err;
        bool inside = false;
        auto const collect = [&](std::string& to) {
            return [&to, &inside](std::string_view piece) {
                CHECK_FALSE(std::exchange(inside, true));
                CHECK_FALSE(piece.empty());
                to += piece;
                inside = false;
            };
        };
        auto const both = probe(config, "copy-to-both");
        auto result = output_without_error(both, with_input(text).on_out(collect(out)).on_err(collect(err)));
        CHECK(out == text);
        CHECK(err == text);
        CHECK(result.out.empty());
        CHECK(result.err.empty());
        CHECK_FALSE(result.truncated);

        out.clear();
        result = output_without_error(both, with_input(text).on_out(collect(out)));
        CHECK(out == text);
        CHECK(result.err == text); // captured as usual

        out.clear();
        auto const limited = with_input(text).on_out(collect(out)).limit(1000, limit_policy::discard);
        result = output_without_error(both, limited);
        CHECK(out == std::string(1000, 'x'));
        CHECK(result.truncated);
    });
}

TEST_CASE("async_output: lines go to functions, the last one without an end too, long ones in parts")
{
    for_each_config([](backend_config const& config) {
        using lines = std::vector<std::string>;
        auto const split = [&](std::string const& text) {
            lines all;
            auto const take = [&](std::string_view line) { all.emplace_back(line); };
            output_without_error(probe(config, "copy"), with_input(text).on_out_line(take));
            return all;
        };
        CHECK(split("a\nb\n") == lines{"a", "b"});
        CHECK(split("a\n\n\nb") == lines{"a", "", "", "b"});
        CHECK(split("\n") == lines{""});
        CHECK(split("a\r\nb") == lines{"a\r", "b"});
        std::string const part(64 * 1024, 'x');
        CHECK(split(part + "\n") == lines{part});
        CHECK(split(part + "y\nz") == lines{part, "y", "z"});
        CHECK(split(part + part) == lines{part, part});
        lines many;
        std::string text;
        for (int i = 0; i < 20'000; ++i) {
            many.push_back(std::to_string(i));
            text += many.back() + "\n";
        }
        CHECK(split(text) == many);

        lines errors;
        auto const take = [&](std::string_view line) { errors.emplace_back(line); };
        output_without_error(probe(config, "copy-to-both"), with_input("a\nb").on_err_line(take));
        CHECK(errors == lines{"a", "b"});
    });
}

TEST_CASE("async_output: a function that throws stops the child, and the exception leaves run")
{
    for_each_config([](backend_config const& config) {
        for (bool by_line : {false, true}) {
            CAPTURE(by_line);
            struct thrown {};
            int calls = 0;
            auto const fail = [&](std::string_view) {
                ++calls;
                throw thrown();
            };
            output_options options;
            by_line ? options.on_out_line(fail) : options.on_out(fail);
            running_output op(probe(config, "pause"), options);
            bool left = false;
            try {
                op.context.run_for(60s);
            } catch (thrown const&) {
                left = true;
            }
            CHECK(left);
            CHECK(op.finish().error == asio::error::operation_aborted);
            CHECK(calls == 1);
        }
    });
}

TEST_CASE("async_output: a function for a stream that is not captured is an error")
{
    scratch_folder folder;
    auto const ignore = [](std::string_view) {};
    for (auto const& io : {stdio::null(), stdio::inherit(), stdio::file(folder.path("out"), open_mode::write)}) {
        running_output out(command("true").out(io), output_options().on_out(ignore));
        CHECK(out.finish().error == std::errc::invalid_argument);
        running_output err(command("true").err(io), output_options().on_err_line(ignore));
        CHECK(err.finish().error == std::errc::invalid_argument);
    }
    running_output same(command("true").err(stdio::same_as(1)), output_options().on_err(ignore));
    CHECK(same.finish().error == std::errc::invalid_argument);
}

TEST_SUITE_END();
