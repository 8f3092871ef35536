// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "contain/child_cgroup.hpp"
#include "support/cgroup_folder.hpp"
#include "support/forked.hpp"
#include "support/support.hpp"
#include "support/survivors.hpp"
#include "support/system.hpp"

#include <brood/cgroup_scope.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

backend_config const automatic{spawn_backend::automatic, exit_watcher::automatic};

bool has_cgroup()
{
    bool const has = contains_by_cgroup();
    if (!has)
        MESSAGE("skipped: children have no cgroup here");
    return has;
}

command resisting(mark const& marked, char const* how = "leave")
{
    return marked.put_on(probe(automatic, "resist", how).in(stdio::piped()).out(stdio::piped()));
}

child spawn_ready(asio::io_context& context, command const& cmd)
{
    auto spawned = spawn(context, cmd).value();
    run_on(context, [](child& started) -> asio::awaitable<void> {
        CHECK(co_await read_line(started.out()) == "ready");
    }(spawned));
    context.restart();
    return spawned;
}

pid_t look_for_watchdog(std::string const& root)
{
    for (auto const& process : std::filesystem::directory_iterator("/proc")) {
        std::ifstream comm(process.path() / "comm");
        std::string name;
        std::getline(comm, name);
        if (name != "brood-guard")
            continue;
        std::error_code error; // the process may end
        for (auto const& fd : std::filesystem::directory_iterator(process.path() / "fd", error))
            if (std::filesystem::read_symlink(fd.path(), error) == root)
                return std::stoi(process.path().filename());
    }
    return 0;
}

// The watchdog has its name shortly after its start.
pid_t find_watchdog(std::string const& root)
{
    pid_t found = 0;
    CHECK(eventually([&] {
        found = look_for_watchdog(root);
        return found > 0;
    }));
    return found;
}

std::string root_of(child const& contained) { return std::filesystem::path(cgroup_of(contained.id())).parent_path(); }

} // namespace

TEST_SUITE_BEGIN("cgroup root");

TEST_CASE("cgroup root: a contained child has a cgroup of its own, which is removed at its end")
{
    if (!has_cgroup())
        return;
    mark const marked;
    asio::io_context context;
    auto first = spawn_ready(context, resisting(marked).contained());
    auto second = spawn_ready(context, resisting(marked).contained());
    auto const cgroup = cgroup_of(first.id());
    CHECK(cgroup != cgroup_of(second.id()));
    CHECK(cgroup != cgroup_of(::getpid()));
    CHECK(root_of(first) == root_of(second));
    CHECK(std::filesystem::exists(cgroup));
    first.in().close();
    CHECK(first.wait().value().code() == 9);
    CHECK(eventually([&] { return !std::filesystem::exists(cgroup); }));
    CHECK(std::filesystem::exists(cgroup_of(second.id())));
}

TEST_CASE("cgroup root: a check of whether a cgroup is empty takes no notification from others that wait")
{
    if (!has_cgroup())
        return;
    auto const root = detail::cgroup_root::of_process().value();
    bool was_populated = false;
    for (int i = 0; i < 100 && !was_populated; ++i) {
        auto const cgroup = detail::child_cgroup::create(root, true).value();
        forked const process(pause_for_ever);
        auto const folder = cgroup->open().value();
        std::ofstream("/proc/self/fd/" + std::to_string(folder.get()) + "/cgroup.procs") << process.pid();
        was_populated = !cgroup->is_empty_after_end().value(); // the process is killed
        CHECK(eventually([&] { return cgroup->is_empty_after_end_by_others().value(); }));
        pollfd waiting{cgroup->events(), POLLPRI, 0};
        CHECK(
            ::poll(&waiting, 1, was_populated ? 60'000 : 0) == static_cast<int>(was_populated)); // the kernel delays it
    }
    CHECK(was_populated);
}

TEST_CASE("cgroup root: tree_usage counts what descendants have used that the child has not reaped")
{
    if (!has_cgroup())
        return;
    asio::io_context context;
    auto child = spawn(
                     context, command::shell("exec 9>&1; (setsid sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); "
                                             "done; echo done' >&1 &) ; read line")
                                  .in(stdio::piped())
                                  .out(stdio::piped())
                                  .contained())
                     .value();
    run_on(context, [](brood::child& running) -> asio::awaitable<void> {
        CHECK(co_await read_line(running.out()) == "done");
        CHECK(running.tree_usage()->user_time > 10ms);
    }(child));
    child.in().close();
    REQUIRE(child.wait());
    REQUIRE(child.tree_usage());
    REQUIRE(child.usage());
    CHECK(child.tree_usage()->user_time > child.usage()->user_time);
    CHECK(child.tree_usage()->out_of_memory_kills == 0);
}

TEST_CASE("cgroup root: operations report tree_usage; without a cgroup there is none")
{
    if (!has_cgroup())
        return;
    run([]() -> asio::awaitable<void> {
        auto const executor = co_await asio::this_coro::executor;
        auto const contained = co_await async_output(executor, probe(automatic, "exit", "0").contained());
        CHECK(contained.tree_usage);
        CHECK_FALSE(contained.out_of_memory);
        auto const plain = co_await async_output(executor, probe(automatic, "exit", "0"));
        CHECK_FALSE(plain.tree_usage);
        auto const stages =
            co_await async_output(executor, (probe(automatic, "exit", "0") | probe(automatic, "copy")).contained());
        CHECK(stages.tree_usage);
        child_group group(executor);
        group.async_spawn(probe(automatic, "exit", "0").contained(), asio::detached);
        CHECK((co_await group.async_next()).tree_usage);
    }());
}

TEST_CASE("cgroup root: what a stage of a contained pipeline has started runs until the last stage ends")
{
    if (!has_cgroup())
        return;
    mark const marked;
    run([&]() -> asio::awaitable<void> {
        auto const executor = co_await asio::this_coro::executor;
        auto const late = command::shell("(sleep 0.3; echo late) & echo early");
        auto const lines = co_await async_output(executor, (late | command("cat")).contained());
        CHECK(lines.out == "early\nlate\n");

        auto const leaving = marked.put_on(command::shell("setsid sleep 60 <&- >&- 2>&- & exit 3"));
        auto const statuses = co_await async_run(executor, (leaving | marked.put_on(command("true"))).contained());
        CHECK(statuses[0].code() == 3);
        CHECK(statuses[1].success());
        CHECK(marked.count() == 0);
    }());
}

TEST_CASE("cgroup root: a killed stage of a contained pipeline takes along what it has started, and nothing else")
{
    if (!has_cgroup())
        return;
    mark const first, second;
    asio::io_context context;
    auto children = spawn(
                        context, (first.put_on(command::shell("setsid sleep 60 & sleep 60")) |
                                  second.put_on(command::shell("setsid sleep 60 & sleep 60")))
                                     .contained())
                        .value();
    CHECK(eventually([&] { return first.count() == 3 && second.count() == 3; }));
    CHECK(children[0].kill_tree());
    CHECK(children[0].wait().value().signal() == SIGKILL);
    CHECK(first.count() == 0);
    CHECK(second.count() == 3);
    children.clear();
    CHECK(second.disappears());
}

TEST_CASE("cgroup root: what a contained pipeline has started ends if a stage cannot be started")
{
    if (!has_cgroup())
        return;
    mark const marked;
    asio::io_context context;
    auto const line = (marked.put_on(command::shell("setsid sleep 60 & sleep 60")) | command("/nowhere")).contained();
    CHECK(stage_of(spawn(context, line).error()) == spawn_stage::exec);
    CHECK(marked.count() == 0);
    error_code failed;
    async_spawn(context, line, [&](error_code error, std::vector<child>) { failed = error; });
    context.run_for(60s);
    CHECK(stage_of(failed) == spawn_stage::exec);
    CHECK(marked.count() == 0);
}

TEST_CASE("cgroup root: the watchdog is invisible, and replaced if it has been killed")
{
    if (!has_cgroup())
        return;
    mark const marked;
    asio::io_context context;
    auto child = spawn_ready(context, resisting(marked).contained());
    auto const root = root_of(child);
    pid_t const watchdog = find_watchdog(root);
    REQUIRE(watchdog > 0);
    CHECK(::waitpid(watchdog, nullptr, WNOHANG) < 0); // it is no child
    CHECK(::getpgid(watchdog) != ::getpgrp());
    REQUIRE(::kill(watchdog, SIGKILL) == 0);
    REQUIRE(eventually([&] { return !is_alive(watchdog); }));
    auto other = spawn_ready(context, resisting(marked).contained());
    CHECK(root_of(other) == root);
    CHECK(find_watchdog(root) != watchdog);
    CHECK(child.kill());
    CHECK(child.wait());
    CHECK(other.kill());
    CHECK(other.wait());
    CHECK(marked.count() == 0);
}

TEST_CASE("cgroup root: a forked process has its own, and nothing is left when it has ended or executed a program")
{
    if (!has_cgroup())
        return;
    for (bool executes : {false, true}) {
        CAPTURE(executes);
        mark const marked;
        asio::io_context context;
        auto mine = spawn_ready(context, resisting(marked).contained());
        mark const other;
        scratch_folder const folder;
        forked process([&]() -> bool {
            asio::io_context own;
            auto child = spawn_ready(own, resisting(other).contained());
            bool const is_separate = root_of(child) != root_of(mine);
            std::ofstream(folder.path("root")) << root_of(child) << std::flush;
            if (executes)
                (void)exec(command("sh", "-c", "exit 0"));
            ::_exit(is_separate ? 0 : 1); // without destructors
        });
        CHECK(process.succeeds());
        CHECK(other.disappears());
        auto const root = folder.read("root");
        CHECK(eventually([&] { return !root.empty() && !std::filesystem::exists(root); }));
        CHECK(marked.count() >= 2);
    }
}

TEST_CASE("cgroup scope: children start in cgroups of their own below it")
{
    cgroup_folder folder;
    if (!folder || !has_cgroup())
        return;
    mark const marked;
    asio::io_context context;
    std::string path;
    {
        auto scope = cgroup_scope::create(context, folder.path()).value();
        path = scope.path();
        CHECK(path.starts_with(folder.path() + "/"));
        for (bool contained : {false, true}) {
            auto cmd = resisting(marked).cgroup(scope);
            auto child = spawn_ready(context, contained ? cmd.contained() : cmd);
            auto const own = cgroup_of(child.id());
            CHECK(std::filesystem::path(own).parent_path() == path);
            CHECK(child.tree_usage());
            CHECK(child.kill_tree());
            CHECK(child.wait().value().signal() == SIGKILL);
            CHECK(marked.disappears());
        }
        CHECK(scope.tree_usage().user_time + scope.tree_usage().system_time > 0ms);
    }
    CHECK(eventually([&] { return !std::filesystem::exists(path); }));
}

TEST_CASE("cgroup scope: kill and async_kill end everything in it")
{
    cgroup_folder folder;
    if (!folder || !has_cgroup())
        return;
    mark const marked;
    asio::io_context context;
    auto scope = cgroup_scope::create(context, folder.path()).value();
    std::vector<child> children;
    for (char const* how : {"leave", "ignore", "bomb"})
        children.push_back(spawn_ready(context, resisting(marked, how).cgroup(scope)));
    std::optional<error_code> killed;
    scope.async_kill([&](error_code error) { killed = error; });
    context.run_for(60s);
    context.restart();
    REQUIRE(killed);
    CHECK(*killed == error_code());
    CHECK(marked.count() == 0);
    for (auto& child : children)
        CHECK(child.wait().value().signal() == SIGKILL);
    children.clear();
    children.push_back(spawn_ready(context, resisting(marked).cgroup(scope)));
    CHECK(scope.kill());
    CHECK(children.back().wait().value().signal() == SIGKILL);
    CHECK(marked.disappears());
    killed.reset();
    scope.async_kill([&](error_code error) { killed = error; }); // it is empty
    context.run_for(60s);
    CHECK(killed == error_code());
}

TEST_CASE("cgroup scope: everything in it ends with the object, and with this process")
{
    cgroup_folder folder;
    if (!folder || !has_cgroup())
        return;
    mark const marked;
    {
        asio::io_context context;
        auto scope = cgroup_scope::create(context, folder.path()).value();
        auto cmd = resisting(marked).cgroup(scope);
        auto child = spawn_ready(context, cmd);
        child.detach();
        {
            auto const ended = std::move(scope);
        }
        CHECK(child.wait().value().signal() == SIGKILL);
        CHECK(marked.disappears());
        auto const late = failure_of(cmd);
        CHECK(late == std::errc::no_such_file_or_directory);
        CHECK(stage_of(late) == spawn_stage::cgroup);
    }
    {
        forked parent([&]() -> bool {
            asio::io_context context;
            auto scope = cgroup_scope::create(context, folder.path()).value();
            auto child = spawn_ready(context, resisting(marked).cgroup(scope));
            return pause_for_ever();
        });
        CHECK(eventually([&] { return marked.count() >= 2; }));
    } // killed
    CHECK(marked.disappears());
}

TEST_CASE("cgroup scope: errors")
{
    cgroup_folder folder;
    if (!folder || !has_cgroup())
        return;
    scratch_folder const plain;
    asio::io_context context;
    auto const missing = cgroup_scope::create(context, plain.path("missing"));
    CHECK(missing.error() == std::errc::no_such_file_or_directory);
    CHECK(stage_of(missing.error()) == spawn_stage::cgroup);
    CHECK(cgroup_scope::create(context, plain.path()).error() == std::errc::invalid_argument);
    CHECK(cgroup_scope::create(context, std::string("a\0b", 3)).error() == errc::nul_byte);
    auto scope = cgroup_scope::create(context, folder.path()).value();
    CHECK(exec(command("true").cgroup(scope)) == std::errc::not_supported);
}

TEST_CASE("cgroup scope: limits are kept, or refused if the system has no controllers")
{
    cgroup_folder folder;
    if (!folder || !has_cgroup())
        return;
    asio::io_context context;
    auto scope = cgroup_scope::create(context, folder.path()).value();
    if (!std::filesystem::exists(scope.path() + "/memory.max")) {
        MESSAGE("limits are skipped: there is no memory controller");
        CHECK(scope.memory_max(1 << 26).error() == std::errc::not_supported);
        CHECK(stage_of(scope.memory_max(1 << 26).error()) == spawn_stage::cgroup);
        CHECK(scope.pids_max(10).error() == std::errc::not_supported);
        CHECK(scope.cpu_max(10ms).error() == std::errc::not_supported);
        return;
    }
    CHECK(scope.memory_max(1 << 26));
    CHECK(scope.pids_max(10));
    CHECK(scope.cpu_max(50ms));
    run([&]() -> asio::awaitable<void> {
        auto const executor = co_await asio::this_coro::executor;
        auto const greedy = command::shell("x=0123456789; while :; do x=$x$x; done").cgroup(scope).contained();
        auto const ended = co_await async_output(executor, greedy);
        CHECK(ended.status.signal() == SIGKILL);
        CHECK(ended.out_of_memory);
        CHECK(ended.tree_usage->peak_memory > std::uint64_t(1 << 24));
    }());
}

TEST_SUITE_END();
