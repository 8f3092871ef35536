// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/cgroup_folder.hpp"
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/next_pid.hpp"
#include "support/support.hpp"
#include "support/system.hpp"

#include <signal.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

struct family {
    child parent;
    pid_t grandchild;
};

// Spawns a child that starts a grandchild and writes the pid of the grandchild.
family spawn_family(asio::io_context& context, command cmd)
{
    auto parent = spawn(context, cmd.out(stdio::piped())).value();
    pid_t grandchild = 0;
    run_on(context, [](child& spawned, pid_t& pid) -> asio::awaitable<void> {
        pid = std::stoi(co_await read_line(spawned.out()));
    }(parent, grandchild));
    context.restart();
    REQUIRE(is_alive(grandchild));
    return {std::move(parent), grandchild};
}

bool exits(pid_t pid)
{
    return eventually([&] { return !is_alive(pid); });
}

} // namespace

TEST_SUITE_BEGIN("kill tree");

TEST_CASE("kill_tree: the child's process group is killed")
{
    for (bool session : {false, true}) {
        CAPTURE(session);
        for_each_config([&](backend_config const& config) {
            asio::io_context context;
            auto cmd = probe(config, "family");
            auto family = spawn_family(context, session ? cmd.session() : cmd.process_group());
            std::optional<exit_status> exit;
            family.parent.async_wait([&](error_code, exit_status status) { exit = status; });
            CHECK(family.parent.kill_tree());
            CHECK(exits(family.grandchild));
            context.run_for(60s);
            REQUIRE(exit);
            CHECK(exit->signal() == SIGKILL);
            CHECK(family.parent.kill_tree().error() == std::errc::no_such_process);
        });
    }
}

TEST_CASE("kill_tree: the process group is killed until the child has been reaped, then the call fails")
{
    for (bool reaped : {false, true}) {
        CAPTURE(reaped);
        for_each_config([&](backend_config const& config) {
            asio::io_context context;
            auto cmd = probe(config, "grandchild");
            auto family = spawn_family(context, cmd.process_group());
            REQUIRE(exits(family.parent.id()));
            if (reaped)
                REQUIRE(family.parent.wait());
            auto const killed = family.parent.kill_tree();
            CHECK(killed.has_value() == !reaped);
            if (reaped) {
                CHECK(killed.error() == std::errc::no_such_process);
                CHECK(is_alive(family.grandchild));
                REQUIRE(::kill(family.grandchild, SIGKILL) == 0);
            }
            CHECK(exits(family.grandchild));
            CHECK(family.parent.wait().value().code() == 0);
        });
    }
}

TEST_CASE("kill_tree: fails after the end of a child without a group of its own")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto family = spawn_family(context, probe(config, "grandchild"));
        REQUIRE(exits(family.parent.id()));
        CHECK(family.parent.kill_tree().error() == std::errc::no_such_process);
        CHECK(family.parent.wait());
        REQUIRE(::kill(family.grandchild, SIGKILL) == 0);
        CHECK(exits(family.grandchild));
    });
}

TEST_CASE("kill_tree: without a group of its own, only the child is killed")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto family = spawn_family(context, probe(config, "family"));
        CHECK(family.parent.kill_tree()); // the other members of its group include this process
        CHECK(family.parent.wait().value().signal() == SIGKILL);
        CHECK(is_alive(family.grandchild));
        REQUIRE(::kill(family.grandchild, SIGKILL) == 0);
        CHECK(exits(family.grandchild));
    });
}

TEST_CASE("kill_tree: descendants in the cgroup are killed, also after the exit of the child")
{
    for (bool reaped : {false, true}) {
        CAPTURE(reaped);
        for_each_config([&](backend_config const& config) {
            if (!knows_cgroups(config))
                return;
            cgroup_folder folder;
            if (!folder)
                return;
            asio::io_context context;
            auto cmd = probe(config, "daemon");
            cmd.process_group().cgroup(folder.path());
            auto family = spawn_family(context, cmd);
            REQUIRE(exits(family.parent.id()));
            if (reaped)
                REQUIRE(family.parent.wait());
            CHECK(family.parent.kill_tree());
            CHECK(exits(family.grandchild));
            CHECK(family.parent.kill_tree());
            CHECK(family.parent.wait().value().code() == 0);
        });
    }
}

TEST_CASE("kill_tree: the error of a cgroup that may not be killed is reported")
{
    cgroup_folder folder;
    if (!folder || ::geteuid() != 0)
        return;
    forked process([&]() -> bool {
        asio::io_context context;
        auto child = spawn(context, command("sleep", "60").cgroup(folder.path())).value();
        bool const ready = system::become_user(1234, false);
        ::_exit(ready && child.kill_tree().error() == std::errc::permission_denied ? 0 : 1);
    });
    CHECK(process.succeeds());
    std::ofstream(folder.path() + "/cgroup.kill") << "1";
}

TEST_CASE(
    "kill_tree: the error of a group that may not be killed is reported, and the child is killed" *
    doctest::skip(!can_deny_syscalls() || !denied_syscalls().empty()))
{
    for_each_config([](backend_config const& config) {
        if (config.watcher != exit_watcher::pidfd)
            return; // kill(2) would also reach the child
        forked process([&] {
            asio::io_context context;
            auto child = spawn(context, probe(config, "pause").out(stdio::null()).process_group()).value();
            deny_syscalls("kill=EACCES");
            bool const is_reported = child.kill_tree().error() == std::errc::permission_denied;
            return is_reported && child.wait().value().signal() == SIGKILL;
        });
        CHECK(process.succeeds());
    });
}

TEST_CASE("kill_tree: does not reach a child that has got the pid of one that other code has reaped")
{
    using action = void (*)(child);
    constexpr action actions[] = {
        [](child stolen) { CHECK(stolen.kill_tree().error() == std::errc::no_such_process); },
        [](child stolen) { (void)stolen.try_wait(); }, [](child stolen) { ::close(stolen.release()); },
        [](child) {}, // is dropped
    };
    for (auto const& act : actions)
        for_each_config([&](backend_config const& config) {
            CAPTURE(&act - actions);
            asio::io_context context;
            auto cmd = probe(config, "pause").out(stdio::null()).process_group();
            auto stolen = spawn(context, command(cmd).kill_group_at_end()).value();
            ::kill(stolen.id(), SIGKILL);
            REQUIRE(::waitpid(stolen.id(), nullptr, 0) == stolen.id());
            auto next = spawn_with_pid(context, stolen.id(), cmd.watcher(exit_watcher::sigchld));
            if (!next)
                return;
            act(std::move(stolen));
            auto const ended = next->try_wait();
            CHECK((ended && !ended.value()));
            CHECK(next->kill());
            auto const status = next->wait();
            CHECK((status && status.value().signal() == SIGKILL));
        });
}

TEST_CASE("kill_group_at_end: the rest of the group is gone when the wait has completed")
{
    for (bool session : {false, true})
        for (bool asynchronous : {false, true}) {
            CAPTURE(session);
            CAPTURE(asynchronous);
            for_each_config([&](backend_config const& config) {
                asio::io_context context;
                auto cmd = probe(config, "family").kill_group_at_end();
                auto family = spawn_family(context, session ? cmd.session() : cmd.process_group());
                REQUIRE(family.parent.signal(SIGTERM));
                exit_status status;
                if (asynchronous)
                    run_on(context, [](child& parent, exit_status& ended) -> asio::awaitable<void> {
                        ended = co_await parent.async_wait();
                    }(family.parent, status));
                else
                    status = family.parent.wait().value();
                CHECK(status.signal() == SIGTERM);
                CHECK(exits(family.grandchild)); // it has been sent SIGKILL
            });
        }
}

TEST_CASE("kill_group_at_end: also if the child is dropped or detached" * needs_threads())
{
    for (std::string const how : {"dropped", "detached"}) {
        CAPTURE(how);
        for_each_config([&](backend_config const& config) {
            asio::io_context context;
            std::optional<family> family =
                spawn_family(context, probe(config, "family").process_group().kill_group_at_end());
            auto const grandchild = family->grandchild;
            pid_t const pid = family->parent.id();
            if (how == "detached")
                family->parent.detach();
            family.reset();
            if (how != "dropped")
                REQUIRE(::kill(pid, SIGTERM) == 0);
            CHECK(exits(grandchild));
        });
    }
}

TEST_CASE("kill_group_at_end: fails for a child that leads no group, and in exec")
{
    auto const config = all_configs().front();
    auto const error = failure_of(probe(config, "exit", "0").kill_group_at_end());
    CHECK(error == std::errc::invalid_argument);
    CHECK(stage_of(error) == spawn_stage::session);
    CHECK(
        failure_of(probe(config, "exit", "0").process_group(::getpgrp()).kill_group_at_end()) ==
        std::errc::invalid_argument);
    CHECK(exec(command("true").process_group().kill_group_at_end()) == std::errc::not_supported);
}

TEST_CASE("kill_tree: orphans adopted by a subreaper are left to the subreaper")
{
    if (!knows_linux()) {
        MESSAGE("skipped: requires Linux");
        return;
    }
    for_each_config([&](backend_config const& config) {
        REQUIRE(system::set_subreaper(true));
        asio::io_context context;
        auto cmd = probe(config, "grandchild");
        auto family = spawn_family(context, cmd.process_group());
        REQUIRE(exits(family.parent.id()));
        CHECK(family.parent.kill_tree());
        run_on(context, [](child& spawned) -> asio::awaitable<void> {
            CHECK((co_await spawned.async_wait()).code() == 0);
        }(family.parent));
        int status = 0;
        CHECK(::waitpid(family.grandchild, &status, 0) == family.grandchild);
        CHECK(exit_status::from_raw(status).signal() == SIGKILL);
        REQUIRE(system::set_subreaper(false));
    });
}

TEST_CASE("kill_tree: succeeds although the cgroup has been removed")
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

TEST_CASE("kill_tree: a child reaped by another waitpid is not signalled")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "exit", "0");
        auto child = spawn(context, cmd.process_group()).value();
        REQUIRE(::waitpid(child.id(), nullptr, 0) == child.id());
        CHECK(child.kill_tree().error() == std::errc::no_such_process);
    });
}

TEST_CASE("kill_tree: a moved-from child reports no_such_process")
{
    asio::io_context context;
    auto child = spawn(context, probe(all_configs().front(), "exit", "0")).value();
    auto const taken = std::move(child);
    CHECK(child.kill_tree().error() == std::errc::no_such_process);
}

TEST_SUITE_END();
