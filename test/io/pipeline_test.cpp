// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/write.hpp>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

command reads_from(command cmd, std::string const& path) { return cmd.in(stdio::file(path, open_mode::read)); }
command writes_to(command cmd, std::string const& path) { return cmd.out(stdio::file(path, open_mode::write)); }

std::vector<exit_status> run_now(pipeline const& line)
{
    asio::io_context context;
    std::optional<std::vector<exit_status>> told;
    async_run(context, line, [&](error_code ec, std::vector<exit_status> statuses) {
        CHECK_FALSE(ec.failed());
        CHECK_FALSE(has_children());
        told = std::move(statuses);
    });
    CHECK_FALSE(told);
    context.run_for(60s);
    REQUIRE(told);
    return *told;
}

} // namespace

TEST_SUITE_BEGIN("pipeline");

TEST_CASE("the stages pass data on, and each tells its status")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        auto const statuses = run_now(
            reads_from(probe(w, "copy"), folder.write("in", "some text")) | probe(w, "copy") |
            writes_to(probe(w, "copy"), folder.path("out")));
        CHECK(statuses == std::vector<exit_status>(3, exit_status::from_raw(0)));
        CHECK(folder.read("out") == "some text");

        auto const codes = run_now(probe(w, "exit", "3") | probe(w, "wait", "4").out(stdio::null()));
        REQUIRE(codes.size() == 2);
        CHECK(codes[0].code() == 3);
        CHECK(codes[1].code() == 4);
    }
}

TEST_CASE("a pipeline may have one stage")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const statuses = run_now(pipeline(probe(w, "exit", "5")));
        REQUIRE(statuses.size() == 1);
        CHECK(statuses[0].code() == 5);
    }
}

TEST_CASE("a stage whose reader has gone ends of SIGPIPE")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto yes = command("yes");
        yes.backend(w.backend).reaper(w.reaper);
        auto head = command("head", "-n", "1");
        head.backend(w.backend).reaper(w.reaper).out(stdio::null());
        auto const statuses = run_now(yes | head);
        REQUIRE(statuses.size() == 2);
        CHECK(statuses[0].signal() == SIGPIPE);
        CHECK(statuses[1].success());
    }
}

TEST_CASE("a stage holds nothing of its neighbours' pipes")
{
    for (auto const& w : all_ways())
        for (bool all : {false, true}) {
            CAPTURE(w);
            CAPTURE(all);
            leaves_nothing guard;
            scratch_folder folder;
            auto const tell = [&](char const* name) {
                auto cmd = probe(w, "--to=3", "descriptors");
                return cmd.fd(3, stdio::file(folder.path(name), open_mode::write)).inherit_fds(all);
            };
            auto const plain = tell("alone");
            (void)run_now(pipeline(plain));
            (void)run_now(tell("a") | tell("b") | tell("c"));
            for (char const* name : {"a", "b", "c"})
                CHECK(folder.read(name) == folder.read("alone"));
        }
}

TEST_CASE("spawn gives the children, whose outer ends are the pipeline's")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto const line =
                probe(by, "copy").in(stdio::piped()) | probe(by, "copy") | probe(by, "copy").out(stdio::piped());
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
        }(w));
    }
}

TEST_CASE("the stages share a process group, unless they have their own")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        auto const tell = [&](std::string const& name) {
            auto cmd = probe(w, "--to=3", "ids");
            return cmd.fd(3, stdio::file(folder.path(name), open_mode::write));
        };
        (void)run_now(tell("a").process_group() | tell("b") | tell("c").session() | tell("d"));
        auto const pid = [&](char const* name) { return split(folder.read(name), ' ').at(0); };
        auto const group = [&](char const* name) { return after(folder.read(name), "pgid"); };
        CHECK(group("a") == pid("a"));
        CHECK(group("b") == pid("b"));
        CHECK(group("c") == pid("c"));
        CHECK(group("d") == pid("b"));
    }
}

TEST_CASE("a group can be joined whose leader has ended")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto first = brood::spawn(context, probe(w, "exit", "0").process_group()).value();
        REQUIRE(eventually([&] { return !is_alive(first.id()); }));
        auto second = brood::spawn(context, probe(w, "exit", "0").process_group(first.id()));
        REQUIRE(second);
        CHECK(first.wait().value().success());
        CHECK(second.value().wait().value().success());
    }
}

TEST_CASE("a spawn that fails leaves nothing, whichever stage it is")
{
    for (auto const& w : all_ways())
        for (std::size_t failing : {0U, 1U, 2U}) {
            CAPTURE(w);
            CAPTURE(failing);
            leaves_nothing guard;
            std::vector<command> stages(3, probe(w, "pause"));
            stages.back().out(stdio::null());
            stages[failing] = command("/nowhere");
            stages[failing].backend(w.backend).reaper(w.reaper);

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
                CHECK(statuses == std::vector<exit_status>(3));
                CHECK_FALSE(has_children());
            });
            CHECK_FALSE(done);
            context.run_for(60s);
            CHECK(done);
        }
}

TEST_CASE("what a pipeline can't have is refused")
{
    asio::io_context context;
    auto const line = [](auto change) {
        std::vector<command> stages(3, command("true"));
        change(stages);
        return pipeline(std::move(stages));
    };
    auto const refused = [&](pipeline const& bad) {
        leaves_nothing guard;
        auto const spawned = brood::spawn(context, bad);
        CHECK(spawned.has_error());
        error_code told;
        async_run(context, bad, [&](error_code ec, auto const&) { told = ec; });
        context.restart();
        context.run_for(60s);
        CHECK(told == std::errc::invalid_argument);
        CHECK_FALSE(has_children());
        return !spawned && spawned.error() == std::errc::invalid_argument;
    };
    CHECK(refused(line([](auto& stages) { stages[0].out(stdio::null()); })));
    CHECK(refused(line([](auto& stages) { stages[1].in(stdio::piped()); })));
    CHECK(refused(line([](auto& stages) { stages[1].out(stdio::inherit()); })));
    CHECK(refused(line([](auto& stages) { stages[2].in(stdio::same_as(1)); })));
    CHECK(refused(line([](auto& stages) { stages.clear(); })));
    CHECK(refused(line([](auto&) {}).err(stdio::piped())));
}

TEST_CASE("standard error of all stages leads to one place")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        auto const own = stdio::file(folder.path("own"), open_mode::write);
        // Each stage writes once the one before it has ended.
        auto const line = probe(w, "write", "2", "one ") | (probe(w, "write-last", "2", "two ").err(own)) |
                          probe(w, "write-last", "2", "three");
        auto whole = line;
        whole.err(stdio::file(folder.path("all"), open_mode::write));
        for (auto const& status : run_now(whole))
            CHECK(status.success());
        CHECK(folder.read("all") == "one three");
        CHECK(folder.read("own") == "two ");
    }
}

TEST_CASE("a stage may join its own standard error to its output")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        auto const out = folder.path("out");
        (void)run_now(probe(w, "write", "2", "complaint").err(stdio::same_as(1)) | writes_to(probe(w, "copy"), out));
        CHECK(folder.read("out") == "complaint");
        (void)run_now((probe(w, "write", "2", "again") | writes_to(probe(w, "copy"), out)).err(stdio::same_as(1)));
        CHECK(folder.read("out") == "again");
    }
}

TEST_CASE("much data goes through")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        std::string const size = "20000000";
        (void)run_now(
            probe(w, "write-much", "1", size) | probe(w, "copy") | writes_to(probe(w, "copy"), folder.path("out")));
        CHECK(std::to_string(folder.read("out").size()) == size);
    }
}

TEST_SUITE_END();
