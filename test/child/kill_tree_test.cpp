// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/cgroup_folder.hpp"
#include "support/support.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

struct family {
    child first;
    pid_t grandchild;
};

// The child has told its grandchild's pid by then.
family start(asio::io_context& context, command cmd)
{
    auto first = spawn(context, cmd.out(stdio::piped())).value();
    pid_t grandchild = 0;
    run_on(context, [](child& told, pid_t& pid) -> asio::awaitable<void> {
        pid = std::stoi(co_await read_line(told.out()));
    }(first, grandchild));
    context.restart();
    REQUIRE(is_alive(grandchild));
    return {std::move(first), grandchild};
}

bool dies(pid_t pid)
{
    return eventually([&] { return !is_alive(pid); });
}

} // namespace

TEST_SUITE_BEGIN("kill tree");

TEST_CASE("with a group of its own, the group is killed")
{
    for (auto const& w : all_ways())
        for (bool session : {false, true}) {
            CAPTURE(w);
            CAPTURE(session);
            leaves_nothing guard;
            asio::io_context context;
            auto cmd = probe(w, "family");
            auto f = start(context, session ? cmd.session() : cmd.process_group());
            std::optional<exit_status> told;
            f.first.async_wait([&](error_code, exit_status status) { told = status; });
            CHECK(f.first.kill_tree());
            CHECK(dies(f.grandchild));
            context.run_for(60s);
            REQUIRE(told);
            CHECK(told->signal() == SIGKILL);
            CHECK(f.first.kill_tree());
        }
}

TEST_CASE("the group is reached while the child has not been reaped, and left alone after that")
{
    for (auto const& w : all_ways())
        for (bool reaped : {false, true}) {
            CAPTURE(w);
            CAPTURE(reaped);
            asio::io_context context;
            auto cmd = probe(w, "grandchild");
            auto f = start(context, cmd.process_group());
            REQUIRE(dies(f.first.id()));
            if (reaped)
                REQUIRE(f.first.wait());
            CHECK(f.first.kill_tree());
            if (reaped) {
                CHECK(is_alive(f.grandchild));
                REQUIRE(::kill(f.grandchild, SIGKILL) == 0);
            }
            CHECK(dies(f.grandchild));
            CHECK(f.first.wait().value().code() == 0);
        }
}

TEST_CASE("without a group of its own, the child alone is killed")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto f = start(context, probe(w, "family"));
        CHECK(f.first.kill_tree()); // of its group, which is this process's, nobody else
        CHECK(f.first.wait().value().signal() == SIGKILL);
        CHECK(is_alive(f.grandchild));
        REQUIRE(::kill(f.grandchild, SIGKILL) == 0);
        CHECK(dies(f.grandchild));
    }
}

TEST_CASE("with a cgroup, descendants that have left the group are killed, also after the child's end")
{
    for (auto const& w : all_ways())
        for (bool reaped : {false, true}) {
            CAPTURE(w);
            CAPTURE(reaped);
            if (!knows_cgroups(w))
                continue;
            cgroup_folder folder;
            if (!folder)
                return;
            asio::io_context context;
            auto cmd = probe(w, "daemon");
            cmd.process_group().cgroup(folder.path());
            auto f = start(context, cmd);
            REQUIRE(dies(f.first.id()));
            if (reaped)
                REQUIRE(f.first.wait());
            CHECK(f.first.kill_tree());
            CHECK(dies(f.grandchild));
            CHECK(f.first.kill_tree());
            CHECK(f.first.wait().value().code() == 0);
        }
}

TEST_CASE("orphans that a subreaper inherits are left to it")
{
    if (!knows_linux()) {
        MESSAGE("skipped: Linux alone");
        return;
    }
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
        asio::io_context context;
        auto cmd = probe(w, "grandchild");
        auto f = start(context, cmd.process_group());
        REQUIRE(dies(f.first.id()));
        CHECK(f.first.kill_tree());
        run_on(context, [](child& first) -> asio::awaitable<void> {
            CHECK((co_await first.async_wait()).code() == 0);
        }(f.first));
        int status = 0;
        CHECK(::waitpid(f.grandchild, &status, 0) == f.grandchild);
        CHECK(exit_status::from_raw(status).signal() == SIGKILL);
        REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
    }
}

TEST_CASE("a child whose cgroup is gone can be asked to be killed all the same")
{
    cgroup_folder folder;
    if (!folder)
        return;
    asio::io_context context;
    command cmd(probe_path(), "exit", "3");
    auto child = spawn(context, cmd.cgroup(folder.path())).value();
    CHECK(child.wait().value().code() == 3);
    REQUIRE(eventually([&] { return ::rmdir(folder.path().c_str()) == 0; }));
    CHECK(child.kill_tree());
    REQUIRE(::mkdir(folder.path().c_str(), 0755) == 0);
}

TEST_CASE("a child that somebody else has reaped is sent nothing")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "exit", "0");
        auto child = spawn(context, cmd.process_group()).value();
        REQUIRE(::waitpid(child.id(), nullptr, 0) == child.id());
        CHECK(child.kill_tree());
    }
}

TEST_CASE("a moved-from child has no tree")
{
    asio::io_context context;
    auto child = spawn(context, probe(all_ways().front(), "exit", "0")).value();
    auto const taken = std::move(child);
    CHECK(child.kill_tree().error() == std::errc::no_such_process);
}

TEST_SUITE_END();
