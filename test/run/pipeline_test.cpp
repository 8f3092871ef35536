// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/write.hpp>

#include <signal.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

command from_file(command cmd, std::string const& path) { return cmd.in(stdio::file(path, open_mode::read)); }
command to_file(command cmd, std::string const& path) { return cmd.out(stdio::file(path, open_mode::write)); }

std::vector<exit_status> run_to_end(pipeline const& line)
{
    asio::io_context context;
    std::optional<std::vector<exit_status>> result;
    async_run(context, line, [&](error_code ec, std::vector<exit_status> statuses) {
        CHECK_FALSE(ec.failed());
        CHECK_FALSE(has_children());
        result = std::move(statuses);
    });
    CHECK_FALSE(result);
    context.run_for(60s);
    REQUIRE(result);
    return *result;
}

} // namespace

TEST_SUITE_BEGIN("pipeline");

TEST_CASE("pipeline: each stage reads the output of the stage before it and has its own status")
{
    for_each_config([](backend_config const& config) {
        scratch_folder folder;
        auto const statuses = run_to_end(
            from_file(probe(config, "copy"), folder.write("in", "some text")) | probe(config, "copy") |
            to_file(probe(config, "copy"), folder.path("out")));
        CHECK(statuses == std::vector<exit_status>(3, exit_status::from_raw(0)));
        CHECK(folder.read("out") == "some text");

        auto const codes = run_to_end(probe(config, "exit", "3") | probe(config, "wait", "4").out(stdio::null()));
        REQUIRE(codes.size() == 2);
        CHECK(codes[0].code() == 3);
        CHECK(codes[1].code() == 4);
    });
}

TEST_CASE("pipeline: may consist of one stage")
{
    for_each_config([](backend_config const& config) {
        auto const statuses = run_to_end(pipeline(probe(config, "exit", "5")));
        REQUIRE(statuses.size() == 1);
        CHECK(statuses[0].code() == 5);
    });
}

TEST_CASE("pipeline: SIGPIPE ends a stage whose reader has exited")
{
    for_each_config([](backend_config const& config) {
        auto yes = command("yes");
        yes.backend(config.backend).watcher(config.watcher);
        auto head = command("head", "-n", "1");
        head.backend(config.backend).watcher(config.watcher).out(stdio::null());
        auto const statuses = run_to_end(yes | head);
        REQUIRE(statuses.size() == 2);
        CHECK(statuses[0].signal() == SIGPIPE);
        CHECK(statuses[1].success());
    });
}

TEST_CASE("pipeline: a stage inherits no descriptor of the pipes between other stages")
{
    for (bool inherit : {false, true}) {
        CAPTURE(inherit);
        for_each_config([&](backend_config const& config) {
            scratch_folder folder;
            auto const list_descriptors = [&](char const* name) {
                auto cmd = probe(config, "--to=3", "descriptors");
                return cmd.fd(3, stdio::file(folder.path(name), open_mode::write)).inherit_fds(inherit);
            };
            auto const alone = list_descriptors("alone");
            (void)run_to_end(pipeline(alone));
            (void)run_to_end(list_descriptors("a") | list_descriptors("b") | list_descriptors("c"));
            for (char const* name : {"a", "b", "c"})
                CHECK(folder.read(name) == folder.read("alone"));
        });
    }
}

TEST_CASE("spawn: returns the children of a pipeline, with the pipes at both ends")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const line = probe(config, "copy").in(stdio::piped()) | probe(config, "copy") |
                          probe(config, "copy").out(stdio::piped());
        auto stages = brood::spawn(ex, line).value();
        CHECK(stages.size() == 3);
        auto& in = stages.front().in();
        std::string const text = "in and out";
        co_await asio::async_write(in, asio::buffer(text), asio::use_awaitable);
        in.close();
        auto const out = co_await read_all(stages.back().out());
        CHECK(out == text);
        for (auto& stage : stages) {
            auto const status = co_await stage.async_wait(asio::use_awaitable);
            CHECK(status.success());
        }
    });
}

TEST_CASE("pipeline: the stages share a process group, except those that set their own")
{
    for_each_config([](backend_config const& config) {
        scratch_folder folder;
        auto const report_ids = [&](std::string const& name) {
            auto cmd = probe(config, "--to=3", "ids");
            return cmd.fd(3, stdio::file(folder.path(name), open_mode::write));
        };
        (void)run_to_end(
            report_ids("a").process_group() | report_ids("b") | report_ids("c").session() | report_ids("d"));
        auto const pid = [&](char const* name) { return split(folder.read(name), ' ').at(0); };
        auto const group = [&](char const* name) { return after(folder.read(name), "pgid"); };
        CHECK(group("a") == pid("a"));
        CHECK(group("b") == pid("b"));
        CHECK(group("c") == pid("c"));
        CHECK(group("d") == pid("b"));
    });
}

TEST_CASE("spawn: a child can join a process group whose leader has exited")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto leader = brood::spawn(context, probe(config, "exit", "0").process_group()).value();
        REQUIRE(eventually([&] { return !is_alive(leader.id()); }));
        auto member = brood::spawn(context, probe(config, "exit", "0").process_group(leader.id()));
        REQUIRE(member);
        CHECK(leader.wait().value().success());
        CHECK(member.value().wait().value().success());
    });
}

TEST_CASE("pipeline: if any stage cannot be started, no stage is left")
{
    for (std::size_t failing : {0u, 1u, 2u}) {
        CAPTURE(failing);
        for_each_config([&](backend_config const& config) {
            // A stage that writes may receive SIGPIPE first: its reader is the stage that cannot be started.
            auto const silent = probe(config, "--to=9", "pause").fd(9, stdio::null());
            std::vector<command> stages(3, silent);
            stages.back().out(stdio::null());
            stages[failing] = command("/nowhere");
            stages[failing].backend(config.backend).watcher(config.watcher);

            asio::io_context context;
            auto const spawned = brood::spawn(context, pipeline(stages));
            REQUIRE_FALSE(spawned);
            CHECK(stage_of(spawned.error()) == spawn_stage::exec);
            CHECK(spawned.error() == std::errc::no_such_file_or_directory);
            CHECK_FALSE(has_children());

            bool done = false;
            async_run(context, pipeline(stages), [&](error_code ec, std::vector<exit_status> statuses) {
                done = true;
                CHECK(stage_of(ec) == spawn_stage::exec);
                REQUIRE(statuses.size() == 3);
                for (std::size_t i = 0; i < statuses.size(); ++i)
                    CHECK(statuses[i].signal() == (i < failing ? std::optional(SIGKILL) : std::nullopt));
                CHECK_FALSE(has_children());
            });
            CHECK_FALSE(done);
            context.run_for(60s);
            CHECK(done);
        });
    }
}

TEST_CASE("pipeline: a stage must not set a stream that another stage is connected to")
{
    asio::io_context context;
    auto const pipeline_with = [](auto change) {
        std::vector<command> stages(3, command("true"));
        change(stages);
        return pipeline(std::move(stages));
    };
    auto const refused = [&](pipeline const& line) {
        leak_check const leaks;
        auto const spawned = brood::spawn(context, line);
        CHECK(spawned.has_error());
        error_code error;
        async_run(context, line, [&](error_code ec, auto const&) { error = ec; });
        context.restart();
        context.run_for(60s);
        CHECK(error == std::errc::invalid_argument);
        CHECK_FALSE(has_children());
        return !spawned && spawned.error() == std::errc::invalid_argument;
    };
    CHECK(refused(pipeline_with([](auto& stages) { stages[0].out(stdio::null()); })));
    CHECK(refused(pipeline_with([](auto& stages) { stages[1].in(stdio::piped()); })));
    CHECK(refused(pipeline_with([](auto& stages) { stages[1].out(stdio::inherit()); })));
    CHECK(refused(pipeline_with([](auto& stages) { stages[2].in(stdio::same_as(1)); })));
    CHECK(refused(pipeline_with([](auto& stages) { stages.clear(); })));
    CHECK(refused(pipeline_with([](auto&) {}).err(stdio::piped())));
}

// If SIGCHLD is ignored, the kernel reaps the leader of the process group.
TEST_CASE("pipeline: a later stage leads a new process group if the first stage has been reaped")
{
    struct sigaction before {};
    ::sigaction(SIGCHLD, nullptr, &before);
    for_each_config([&](backend_config const& config) {
        struct sigaction ignored {};
        ignored.sa_handler = SIG_IGN;
        ::sigaction(SIGCHLD, &ignored, nullptr);
        std::vector<command> const exiting(3, probe(config, "exit", "0"));
        std::vector<command> stages(3, probe(config, "pause"));
        stages.front() = exiting.front();
        stages.back().out(stdio::null());
        for (int i = 0; i < 20; ++i) {
            asio::io_context context;
            auto children = spawn(context, pipeline(stages));
            CHECK_MESSAGE(children, children.error().message());
            if (children)
                CHECK(::getpgid(children.value()[2].id()) == ::getpgid(children.value()[1].id()));

            asio::cancellation_signal cancel;
            std::optional<error_code> error;
            async_run(
                context, pipeline(stages),
                asio::bind_cancellation_slot(
                    cancel.slot(), [&](error_code ec, std::vector<exit_status> const&) { error = ec; }));
            cancel.emit(asio::cancellation_type::terminal);
            context.run_for(60s);
            CHECK(error == asio::error::operation_aborted);

            async_run(context, pipeline(exiting), [&](error_code ec, std::vector<exit_status> const&) { error = ec; });
            context.restart();
            context.run_for(60s);
            REQUIRE(error);
            CHECK_MESSAGE((!error->failed() || error == errc::status_lost), error->message());
        }
        ::sigaction(SIGCHLD, &before, nullptr);
    });
}

TEST_CASE("pipeline: err sets standard error of all stages that do not set it")
{
    for_each_config([](backend_config const& config) {
        scratch_folder folder;
        auto const own = stdio::file(folder.path("own"), open_mode::write);
        // Each stage writes after the stage before it has exited.
        auto const line = probe(config, "write", "2", "one ") | (probe(config, "write-last", "2", "two ").err(own)) |
                          probe(config, "write-last", "2", "three");
        auto with_err = line;
        with_err.err(stdio::file(folder.path("all"), open_mode::write));
        for (auto const& status : run_to_end(with_err))
            CHECK(status.success());
        CHECK(folder.read("all") == "one three");
        CHECK(folder.read("own") == "two ");
    });
}

TEST_CASE("pipeline: standard error of a stage may be joined to its output")
{
    for_each_config([](backend_config const& config) {
        scratch_folder folder;
        auto const out = folder.path("out");
        (void)run_to_end(
            probe(config, "write", "2", "complaint").err(stdio::same_as(1)) | to_file(probe(config, "copy"), out));
        CHECK(folder.read("out") == "complaint");
        (void)run_to_end(
            (probe(config, "write", "2", "again") | to_file(probe(config, "copy"), out)).err(stdio::same_as(1)));
        CHECK(folder.read("out") == "again");
    });
}

TEST_CASE("pipeline: transfers more data than a pipe holds")
{
    for_each_config([](backend_config const& config) {
        scratch_folder folder;
        std::string const size = "20000000";
        (void)run_to_end(
            probe(config, "write-much", "1", size) | probe(config, "copy") |
            to_file(probe(config, "copy"), folder.path("out")));
        CHECK(std::to_string(folder.read("out").size()) == size);
    });
}

TEST_CASE("pipeline: async_spawn completes with the children of all stages")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const copy = probe(config, "copy");
        auto children =
            co_await async_spawn(ex, command(copy).in(stdio::piped()) | copy | command(copy).out(stdio::piped()));
        REQUIRE(children.size() == 3);
        CHECK(children.front().in().write_some(asio::buffer("text", 4)) == 4);
        children.front().in().close();
        CHECK(co_await read_all(children.back().out()) == "text");
        for (auto& child : children)
            CHECK((co_await child.async_wait()).success());
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("pipeline: a stage that async_spawn cannot start ends the earlier ones, and a bad pipeline starts none")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const pause = probe(config, "pause");
        auto const missing = command("/nowhere").backend(config.backend).watcher(config.watcher);
        auto const [error, none] = co_await async_spawn(ex, pause | pause | missing, asio::as_tuple(asio::deferred));
        CHECK(error == make_error_code(spawn_stage::exec, ENOENT));
        CHECK(none.empty());
        CHECK_FALSE(has_children());
        auto const bad =
            co_await async_spawn(ex, command(pause).out(stdio::null()) | pause, asio::as_tuple(asio::deferred));
        CHECK(std::get<0>(bad) == std::errc::invalid_argument);
    });
}

TEST_CASE("pipeline: a cancelled async_spawn leaves no child")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        asio::cancellation_signal cancel;
        std::optional<error_code> error;
        auto const store = [&](error_code ec, std::vector<child> children) {
            error = ec;
            CHECK(children.empty());
            CHECK_FALSE(has_children());
        };
        async_spawn(
            context, probe(config, "pause") | probe(config, "pause"),
            asio::bind_cancellation_slot(cancel.slot(), store));
        cancel.emit(asio::cancellation_type::total);
        context.run_for(60s);
        CHECK(error == asio::error::operation_aborted);

        {
            asio::io_context destroyed;
            async_spawn(
                destroyed, probe(config, "pause") | probe(config, "pause"), [](error_code, std::vector<child>) {});
        }
        CHECK(eventually([] { return !has_children(); }));
    });
}

TEST_SUITE_END();
