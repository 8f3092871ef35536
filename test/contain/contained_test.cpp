// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/process.hpp"
#include "support/cgroup_folder.hpp"
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/no_descriptors.hpp"
#include "support/support.hpp"
#include "support/survivors.hpp"
#include "support/system.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

// While it exists, guards are used although cgroups could be created.
cgroup_folder* guarded = nullptr;

command contain(command cmd)
{
    cmd.contained();
    return guarded ? cmd.cgroup(guarded->path()) : cmd;
}

template <class... Args>
command contained(backend_config const& config, Args const&... args)
{
    return contain(probe(config, args...));
}

template <class... Args>
command contained_probe(backend_config const& config, mark const& marked, Args const&... args)
{
    return marked.put_on(contained(config, args...));
}

// The ways to run and watch a contained child on this machine.
std::vector<backend_config> contained_configs()
{
    auto configs = all_configs();
    std::erase_if(configs, [](backend_config const& config) {
        asio::io_context context;
        auto const child = spawn(context, contained(config, "exit", "0"));
        CHECK((child || child.error() == std::errc::not_supported || !denied_syscalls().empty()));
        return !child;
    });
    if (configs.empty())
        MESSAGE("skipped: programs cannot be contained here");
    return configs;
}

template <class Body>
void for_each_guarded(Body body)
{
    std::optional<cgroup_folder> folder;
    if (contains_by_cgroup())
        guarded = &folder.emplace();
    for_each(contained_configs(), body);
    guarded = nullptr;
}

template <class Body>
void for_each_with_cgroup(Body body)
{
    if (contains_by_cgroup())
        for_each(contained_configs(), std::move(body));
    else
        MESSAGE("skipped: children have no cgroup here");
}

template <class Body>
void for_each_contained(Body body)
{
    for_each_with_cgroup(body);
    for_each_guarded(body);
}

// For what takes long and does not depend on the backend and the watcher.
template <class Body>
void for_each_mechanism(Body body)
{
    auto const first = [&](backend_config const& config, bool& is_done) {
        if (!std::exchange(is_done, true))
            body(config);
    };
    bool with_cgroup = false, guarded_too = false;
    for_each_with_cgroup([&](backend_config const& config) { first(config, with_cgroup); });
    for_each_guarded([&](backend_config const& config) { first(config, guarded_too); });
}

// Spawns a child that writes a line when it is ready.
child spawn_ready(asio::io_context& context, command cmd)
{
    auto spawned = spawn(context, cmd.in(stdio::piped()).out(stdio::piped())).value();
    run_on(context, [](child& started) -> asio::awaitable<void> {
        CHECK(co_await read_line(started.out()) == "ready");
    }(spawned));
    context.restart();
    return spawned;
}

exit_status wait_on(asio::io_context& context, child& running)
{
    std::optional<exit_status> status;
    running.async_wait([&](error_code error, exit_status ended) {
        CHECK(!error.failed());
        status = ended;
    });
    context.run_for(60s);
    context.restart();
    REQUIRE(status);
    return *status;
}

constexpr char const* resistances[] = {"leave", "ignore", "stop", "close", "bomb", "trace"};

} // namespace

TEST_SUITE_BEGIN("contained");

TEST_CASE("contained: the exit status is the program's")
{
    for_each_contained([](backend_config const& config) {
        asio::io_context context;
        for (char const* code : {"0", "7", "255"}) {
            auto child = spawn(context, contained(config, "exit", code)).value();
            CHECK(wait_on(context, child).code() == std::atoi(code));
            REQUIRE(child.usage());
            CHECK(child.usage()->max_rss > 0);
        }
        for (int signal : {SIGTERM, SIGKILL, SIGSEGV, SIGHUP}) {
            auto child = spawn(context, contained(config, "raise", std::to_string(signal))).value();
            CHECK(child.wait().value().signal() == signal);
        }
    });
}

TEST_CASE("contained: the core flag is the program's")
{
    for_each_contained([](backend_config const& config) {
        scratch_folder folder;
        asio::io_context context;
        auto cmd = probe(config, "dump-core");
        cmd.current_dir(folder.path());
        auto const expected = spawn(context, cmd).value().wait().value();
        CHECK(spawn(context, contain(cmd)).value().wait().value() == expected);
    });
}

TEST_CASE("contained: id is the program's pid, and its group and session are as without containment")
{
    for_each_contained([](backend_config const& config) -> asio::awaitable<void> {
        auto const ids = [&](command cmd) -> asio::awaitable<std::string> {
            auto child = co_await async_spawn(co_await asio::this_coro::executor, cmd.out(stdio::piped()));
            auto const text = co_await read_all(child.out());
            CHECK((co_await child.async_wait()).success());
            CHECK(text.starts_with(std::to_string(child.id()) + " "));
            co_return text;
        };
        auto const plain = co_await ids(contained(config, "ids"));
        CHECK(after(plain, "pgid") == std::to_string(::getpgid(0)));
        CHECK(after(plain, "sid") == std::to_string(::getsid(0)));
        auto const group = co_await ids(contained(config, "ids").process_group());
        CHECK(group.starts_with(after(group, "pgid") + " "));
        auto const session = co_await ids(contained(config, "ids").session());
        CHECK(session.starts_with(after(session, "sid") + " "));
    });
}

TEST_CASE("contained: a failed spawn reports what it reports without containment")
{
    for_each_contained([](backend_config const& config) {
        scratch_folder const folder;
        auto missing = probe(config);
        missing.program("/nowhere/at-all");
        auto no_directory = probe(config, "exit", "0");
        no_directory.current_dir("/nowhere");
        auto no_user = probe(config, "exit", "0");
        no_user.limit(RLIMIT_NOFILE, 1000, 10);
        for (auto cmd : {missing, no_directory, no_user}) {
            CAPTURE(cmd);
            auto const expected = failure_of(cmd);
            CHECK(failure_of(contain(cmd)) == expected);
        }
    });
}

TEST_CASE("contained: descriptors are as without containment")
{
    for_each_contained([](backend_config const& config) {
        for (bool all : {false, true}) {
            auto cmd = probe(config, "descriptors");
            cmd.inherit_fds(all).fd(7, stdio::null()).fd(9, stdio::same_as(1));
            auto const expected = output_of_now(cmd);
            CHECK(output_of_now(contain(cmd)) == expected);
        }
    });
}

TEST_CASE("contained: attributes are the program's")
{
    for_each_contained([](backend_config const& config) {
        CHECK(output_of_now(contained(config, "umask").umask(027)) == "23");
        CHECK(output_of_now(contained(config, "limit", std::to_string(RLIMIT_NOFILE)).limit(RLIMIT_NOFILE, 77, 88))
                  .starts_with("77"));
        CHECK(output_of_now(contained(config, "directory").current_dir("/")) == "/");
        CHECK(output_of_now(contained(config, "status", "SigBlk").signal_mask(SIGUSR1)).ends_with("200"));
    });
}

namespace {

void end_in_every_way(backend_config const& config)
{
    for (char const* how : resistances)
        for (std::string const end : {"exit", "signal", "kill", "kill_tree", "stop", "outside"}) {
            bool const pauses = std::string(how) == "close" || std::string(how) == "stop";
            if (pauses && end == "exit")
                continue;
            // Without a pidfd or a thread, the end of a traced program cannot be seen.
            bool const may_lack_thread = config.watcher == exit_watcher::sigchld && !denied_syscalls().empty();
            if (std::string(how) == "trace" && !guarded && may_lack_thread)
                continue;
            CAPTURE(std::string(how));
            CAPTURE(end);
            mark const marked;
            asio::io_context context;
            auto child = spawn_ready(context, contained_probe(config, marked, "resist", how));
            CHECK(marked.count() >= 2); // the guard, too
            if (end == "exit")
                child.in().close();
            else if (end == "signal")
                REQUIRE(child.signal(SIGKILL));
            else if (end == "kill")
                REQUIRE(child.kill());
            else if (end == "kill_tree")
                REQUIRE(child.kill_tree());
            else if (end == "stop")
                child.async_stop(stop_plan(SIGTERM, 100ms), asio::detached);
            else
                REQUIRE(::kill(child.id(), SIGKILL) == 0);
            auto const status = wait_on(context, child);
            CHECK(marked.count() == 0);
            if (end == "exit")
                CHECK(status.code() == 9);
            else if (end != "stop")
                CHECK(status.signal() == SIGKILL);
            CHECK(child.kill_tree());
            CHECK(child.signal(0).error() == std::errc::no_such_process);
        }
}

} // namespace

TEST_CASE("contained: descendants in a cgroup are gone when the wait completes, however the child ends")
{
    for_each_with_cgroup(end_in_every_way);
}

TEST_CASE("contained: descendants below a guard are gone when the wait completes, however the child ends")
{
    for_each_guarded(end_in_every_way);
}

TEST_CASE("contained: the streams end with the child although nothing waits for it" * needs_threads())
{
    for_each_contained([](backend_config const& config) -> asio::awaitable<void> {
        if (!os::pidfd_available() || !denied_syscalls().empty())
            co_return; // the end may not be noticed before a wait
        mark const marked;
        auto cmd = contained_probe(config, marked, "resist", "ignore");
        auto child =
            co_await async_spawn(co_await asio::this_coro::executor, cmd.in(stdio::null()).out(stdio::piped()));
        CHECK(co_await read_all(child.out()) == "ready\n"); // the daemon holds the pipe until it is killed
        CHECK((co_await child.async_wait()).code() == 9);
        CHECK(marked.count() == 0);
    });
}

TEST_CASE("contained: a child that has ended keeps no descriptor" * needs_threads())
{
    for_each_contained([](backend_config const& config) {
        asio::io_context context;
        auto const descriptors_after_end = [&] {
            auto child = spawn(context, contain(command("/bin/true").backend(config.backend).watcher(config.watcher)));
            REQUIRE(child);
            CHECK(wait_on(context, child.value()).success());
            return open_descriptors(); // the child object exists
        };
        auto const first = descriptors_after_end();
        for (int i = 0; i < 20; ++i)
            CHECK(descriptors_after_end() == first);
    });
}

TEST_CASE(
    "contained: what a child leaves ends although descriptors were short when the child was young" * needs_threads())
{
    if (!os::pidfd_available() || !denied_syscalls().empty())
        return; // the end may not be noticed before a wait

    // The library has not watched any child there.
    forked process([] {
        asio::io_context context;
        mark const marked;
        auto input = os::make_pipe().value();
        auto cmd = command::shell("setsid sleep 1000 & read line; exit 3").in(stdio::fd(input.first.get())).contained();
        auto child = spawn(context, marked.put_on(cmd));
        if (!child)
            return child.error() == std::errc::not_supported;
        {
            no_descriptors const none;
            std::this_thread::sleep_for(60ms); // longer than the library waits before it watches
        }
        input.second.reset();
        return marked.disappears() && child.value().wait().value().code() == 3;
    });
    CHECK(process.succeeds());
}

TEST_CASE("contained: a forked copy that destroys a child that has ended does not wait for a thread" * needs_threads())
{
    std::atomic<bool> done = false;
    std::thread spawning([&] { // the library's locks are often held
        asio::io_context context;
        while (!done)
            if (auto child = spawn(context, command("/bin/true").contained()))
                (void)child.value().wait();
    });
    asio::io_context context;
    for (int i = 0; i < 10; ++i) {
        std::vector<child> ended;
        for (int j = 0; j < 3; ++j)
            if (auto started = spawn(context, command("/bin/sleep", "0.03").contained()))
                ended.push_back(std::move(started).value());
        for (auto const& each : ended)
            REQUIRE(eventually([&] { return !is_alive(each.id()); }));
        std::this_thread::sleep_for(20ms); // the library's thread has ended what they leave
        for (int j = 0; j < 10; ++j) {
            forked copy([&] {
                ended.clear();
                return true;
            });
            CHECK(copy.succeeds());
        }
    }
    done = true;
    spawning.join();
}

TEST_CASE("contained: a program that is busy at first is started by another attempt" * needs_threads())
{
    for_each_contained([](backend_config const& config) {
        scratch_folder const folder;
        auto const path = folder.write("program", "#!/bin/sh\nexit 4\n", 0755);
        int const writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        REQUIRE(writer >= 0);
        asio::io_context context;
        std::optional<error_code> result;
        exit_status status;
        async_run(
            context, contain(command(path).backend(config.backend).watcher(config.watcher)),
            [&](error_code error, exit_status ended) {
                result = error;
                status = ended;
            });
        std::thread closer([writer] {
            std::this_thread::sleep_for(15ms);
            ::close(writer);
        });
        context.run_for(60s);
        closer.join();
        CHECK(result == error_code());
        CHECK(status.code() == 4);
    });
}

TEST_CASE("contained: a fork bomb ends within its two seconds and after them")
{
    for_each_mechanism([](backend_config const& config) {
        for (auto time : {500ms, 2500ms}) {
            mark const marked;
            asio::io_context context;
            auto child = spawn_ready(context, contained_probe(config, marked, "resist", "bomb"));
            CHECK_FALSE(child.wait_for(time).value());
            CHECK(eventually([&] { return marked.count() > 50; }));
            CHECK(child.kill());
            CHECK(child.wait().value().signal() == SIGKILL);
            CHECK(marked.count() == 0);
        }
    });
}

TEST_CASE("contained: processes that fork and end all the time end soon, long before they would themselves")
{
    for_each_contained([](backend_config const& config) {
        for (int i = 0; i < 5; ++i) {
            mark const marked;
            asio::io_context context;
            auto child = spawn_ready(context, contained_probe(config, marked, "resist", "roll"));
            CHECK(child.kill());
            auto const ended = child.wait_for(15s).value(); // they end after 30 seconds
            REQUIRE(ended);
            CHECK(ended->signal() == SIGKILL);
            CHECK(marked.count() == 0);
        }
    });
}

TEST_CASE("contained: descendants end without /proc, too")
{
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root");
        return;
    }
    for_each_contained([](backend_config const& config) {
        for (std::string const how : {"umount -l /proc", "mount -t tmpfs none /proc"}) {
            CAPTURE(how);
            mark const marked;
            asio::io_context context;
            auto cmd = command("/usr/bin/unshare", "-m", "/bin/sh", "-c", how + "; setsid sleep 60 & exec sleep 0.1");
            auto child = spawn(context, marked.put_on(contain(cmd.backend(config.backend).watcher(config.watcher))));
            if (!child)
                return; // there is no unshare(1)
            CHECK(child.value().wait());
            CHECK(marked.count() == 0);
        }
    });
}

struct process_stat {
    std::string pid, name, state;
    pid_t parent = 0;
};

process_stat stat_of(child const& contained)
{
    std::ifstream file("/proc/" + std::to_string(contained.id()) + "/stat");
    process_stat stat;
    file >> stat.pid >> stat.name >> stat.state >> stat.parent;
    return stat;
}

pid_t guard_of(child const& contained) { return stat_of(contained).parent; }

TEST_CASE("contained: the guard shows neither the arguments nor the environment")
{
    for_each_guarded([](backend_config const& config) {
        mark const marked;
        asio::io_context context;
        auto child = spawn_ready(context, contained_probe(config, marked, "resist", "leave"));
        auto const folder = "/proc/" + std::to_string(guard_of(child));
        auto const text_of = [&](std::string const& name) {
            std::ifstream file(folder + name);
            std::string text(std::istreambuf_iterator<char>(file), {});
            std::erase(text, '\0');
            return text;
        };
        CHECK(text_of("/comm") == "brood-guard\n");
        CHECK(text_of("/cmdline") == "");
        CHECK(text_of("/environ") == "");
        CHECK(child.kill());
        CHECK(child.wait());
    });
}

TEST_CASE("contained: a guard that has been stopped ends everything, too")
{
    for_each_guarded([](backend_config const& config) {
        mark const marked;
        asio::io_context context;
        auto child = spawn_ready(context, contained_probe(config, marked, "resist", "leave"));
        REQUIRE(::kill(guard_of(child), SIGSTOP) == 0);
        CHECK(child.kill());
        CHECK(wait_on(context, child).signal() == SIGKILL);
        CHECK(marked.count() == 0);

        forked parent([&]() -> bool {
            asio::io_context own;
            auto second = spawn_ready(own, contained_probe(config, marked, "resist", "leave"));
            bool const stopped = ::kill(guard_of(second), SIGSTOP) == 0;
            ::_exit(stopped ? 7 : 1); // without destructors
        });
        CHECK_FALSE(parent.succeeds());
        CHECK(marked.disappears());
    });
}

TEST_CASE("contained: a guard is used if the number of cgroups is limited")
{
    cgroup_folder const folder;
    if (!folder || !contains_by_cgroup())
        return;
    forked process([&] {
        std::ofstream(folder.path() + "/cgroup.procs") << ::getpid();
        std::ofstream(folder.path() + "/cgroup.max.descendants") << 0;
        asio::io_context context;
        auto const child = spawn(context, command(probe_path(), "exit", "0").contained());
        return child ? !child.value().tree_usage() : !denied_syscalls().empty(); // where no guard can run either
    });
    CHECK(process.succeeds());
}

TEST_CASE("contained: SIGTSTP stops a program that leads a process group, as without containment")
{
    for_each_guarded([](backend_config const& config) {
        asio::io_context context;
        auto cmd = contained(config, "pause").out(stdio::null()).process_group();
        auto child = spawn(context, cmd).value();
        CHECK(child.signal(SIGTSTP));
        CHECK(eventually([&] { return stat_of(child).state == "T"; }));
        CHECK(child.kill());
        CHECK(child.wait());
    });
}

TEST_CASE("contained: the end of a guard sends no signal to this process")
{
    for_each_guarded([](backend_config const& config) {
        forked leader([&] {
            ::setsid(); // the kernel sends SIGHUP to a group that nobody else could continue
            asio::io_context context;
            auto child = spawn(context, contained(config, "pause").out(stdio::null())).value();
            ::kill(child.id(), SIGSTOP);
            siginfo_t info{};
            bool const killed = eventually([&] { return stat_of(child).state == "T"; }) &&
                                ::kill(guard_of(child), SIGKILL) == 0 &&
                                ::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0;
            return killed && wait_on(context, child).signal() == SIGKILL;
        });
        CHECK(leader.succeeds());
    });
}

TEST_CASE("contained: a failed start has the same error in both ways to spawn")
{
    for_each_guarded([](backend_config const& config) {
        forked process([&] {
            if (::geteuid() == 0 && !system::become_user(1234, false))
                return false;
            asio::io_context context;
            auto const cmd = command("/bin/true").user(0).contained().watcher(config.watcher);
            error_code later;
            async_spawn(context, cmd, [&](error_code error, child) { later = error; });
            context.run_for(60s);
            return spawn(context, cmd).error() == make_error_code(spawn_stage::credentials, EPERM) &&
                   later == make_error_code(spawn_stage::credentials, EPERM);
        });
        CHECK(process.succeeds());
    });
}

TEST_CASE("contained: a limit of file sizes refuses the guard and does not end this process")
{
    for_each_contained([](backend_config const& config) {
        forked process([&] {
            rlimit const none{0, 0};
            ::setrlimit(RLIMIT_FSIZE, &none);
            asio::io_context context;
            auto const child = spawn(context, contained(config, "exit", "0"));
            return !child && child.error() == std::errc::not_supported;
        });
        CHECK(process.succeeds());
    });
}

TEST_CASE("contained: a dropped child takes its descendants along")
{
    for_each_contained([](backend_config const& config) {
        for (char const* how : resistances) {
            CAPTURE(std::string(how));
            mark const marked;
            {
                asio::io_context context;
                spawn_ready(context, contained_probe(config, marked, "resist", how));
            }
            CHECK(marked.disappears());
            std::optional<child> orphan; // of its context
            {
                asio::io_context context;
                orphan = spawn_ready(context, contained_probe(config, marked, "resist", how));
                orphan->async_wait([](error_code, exit_status) { FAIL("must be destroyed"); });
            }
            orphan.reset();
            CHECK(marked.disappears());
        }
    });
}

TEST_CASE("contained: a detached child runs on, and its descendants end with it" * needs_threads())
{
    for_each_contained([](backend_config const& config) {
        mark const marked;
        asio::io_context context;
        std::optional<child> detached = spawn_ready(context, contained_probe(config, marked, "resist", "ignore"));
        auto input = std::move(detached->in());
        detached->detach();
        detached.reset();
        CHECK(marked.count() >= 2);
        input.close();
        CHECK(marked.disappears());
    });
}

TEST_CASE("contained: a program that is cancelled before its exec is killed" * needs_threads())
{
    for_each_contained([](backend_config const& config) -> asio::awaitable<void> {
        scratch_folder const folder;
        REQUIRE(::mkfifo(folder.path("fifo").c_str(), 0600) == 0);
        mark const marked;
        auto const executor = co_await asio::this_coro::executor;
        for (auto delay : {0ms, 5ms}) {
            asio::cancellation_signal cancel;
            std::optional<error_code> result;
            auto cmd = contained_probe(config, marked, "exit", "0");
            async_spawn(
                executor, cmd.in(stdio::file(folder.path("fifo"), open_mode::read)),
                asio::bind_cancellation_slot(cancel.slot(), [&](error_code error, child) { result = error; }));
            std::this_thread::sleep_for(delay); // the guard may have been started, or not
            co_await asio::post(asio::use_awaitable);
            CHECK_FALSE(result);
            cancel.emit(asio::cancellation_type::terminal);
            while (!result)
                co_await asio::post(asio::use_awaitable);
            CHECK(*result == asio::error::operation_aborted);
        }
        CHECK(marked.disappears());
    });
}

TEST_CASE("contained: what a guard does not support fails before anything is started")
{
    for_each_guarded([](backend_config const& config) {
        auto const unsupported = [](command cmd) {
            CAPTURE(cmd);
            CHECK(failure_of(cmd) == std::errc::not_supported);
        };
        auto const cmd = contained({spawn_backend::automatic, config.watcher}, "exit", "0");
        unsupported(command(cmd).backend(spawn_backend::fork));
        unsupported(command(cmd).backend(spawn_backend::posix_spawn));
        unsupported(command(cmd).pre_exec([] { return error_code(); }));
        unsupported(command(cmd).parent_death_signal(SIGTERM));
        unsupported(command(cmd).namespaces(ns::pid));
        unsupported(command(cmd).program("/proc/self/exe"));
        unsupported(command(cmd).current_dir("/proc/self/cwd"));
    });
    CHECK(exec(command("true").contained()) == std::errc::not_supported);
}

TEST_CASE("contained: with a cgroup, hooks, death signals and names in procfs are as without containment")
{
    for_each_with_cgroup([](backend_config const& config) {
        auto const automatic = backend_config{spawn_backend::automatic, config.watcher};
        CHECK(failure_of(contained(automatic, "exit", "0").pre_exec([] {
                  return error_code(EDOM, boost::system::system_category());
              })) == make_error_code(spawn_stage::hook, EDOM));
        CHECK(
            output_of_now(contained(automatic, "directory").current_dir("/proc/self/cwd")) ==
            std::filesystem::current_path());
        if (::geteuid() == 0)
            CHECK(output_of_now(contained(automatic, "ids").namespaces(ns::pid)).starts_with("1 "));
        asio::io_context context;
        auto dying = contained(automatic, "pause").out(stdio::null()).parent_death_signal(SIGTERM);
        CHECK(spawn(context, dying).value().kill());
        CHECK(
            failure_of(contained({spawn_backend::posix_spawn, config.watcher}, "exit", "0")) ==
            std::errc::not_supported);
    });
}

TEST_CASE("contained: signals reach the program and its group")
{
    for_each_contained([](backend_config const& config) -> asio::awaitable<void> {
        mark const marked;
        auto cmd = contained_probe(config, marked, "exit-on", std::to_string(SIGTERM), "5");
        cmd.process_group().out(stdio::piped());
        auto child = co_await async_spawn(co_await asio::this_coro::executor, cmd);
        CHECK(co_await read_line(child.out()) == "ready");
        CHECK(child.signal(0));
        CHECK(child.signal_group(0));
        CHECK(child.signal(12345).error() == std::errc::invalid_argument);
        CHECK((co_await child.async_stop(stop_plan(SIGTERM, 60s))).code() == 5);
        CHECK(child.signal_group(SIGTERM).error() == std::errc::no_such_process);
        CHECK(marked.count() == 0);
    });
}

TEST_CASE("contained: the status is exact although the parent ignores SIGCHLD")
{
    for_each_guarded([](backend_config const& config) {
        auto const before = ::signal(SIGCHLD, SIG_IGN);
        asio::io_context context;
        if (config.watcher == exit_watcher::pidfd) // otherwise the library handles SIGCHLD
            CHECK(output_of_now(contained(config, "signal-action", std::to_string(SIGCHLD))) == "ignored");
        auto child = spawn(context, contained(config, "exit", "6")).value();
        CHECK(child.wait().value().code() == 6);
        ::signal(SIGCHLD, before);
    });
}

TEST_CASE("contained: operations that run to the end")
{
    for_each_contained([](backend_config const& config) -> asio::awaitable<void> {
        auto const executor = co_await asio::this_coro::executor;
        mark const marked;
        auto const resisting = contained_probe(config, marked, "resist", "ignore");
        auto closing = contained_probe(config, marked, "resist", "close");
        closing.out(stdio::null());
        { // the daemon holds the pipe until it is killed
            auto const ended = co_await async_output(executor, resisting, output_options().drain_grace(60s));
            CHECK(ended.status.code() == 9);
            CHECK(ended.out == "ready\n");
            CHECK(marked.count() == 0);
        }
        {
            error_code error;
            co_await async_output(
                executor, closing, output_options().timeout(200ms).stop(stop_plan(SIGINT, 50ms)),
                asio::redirect_error(asio::use_awaitable, error));
            CHECK(error == errc::timed_out);
            CHECK(marked.count() == 0);
        }
        {
            auto cmd = resisting;
            CHECK((co_await async_run(executor, cmd.in(stdio::null()).out(stdio::null()))).code() == 9);
            CHECK(marked.count() == 0);
        }
        {
            auto const ended =
                co_await async_output(executor, resisting | contained_probe(config, marked, "copy"), output_options());
            CHECK(ended.out == "ready\n");
            CHECK(ended.statuses[0].code() == 9);
            CHECK(ended.statuses[1].success());
            CHECK(marked.count() == 0);
        }
        {
            child_group group(
                executor, group_options().max_running(3).each(output_options().stop(stop_plan(SIGTERM, 50ms))));
            for (int i = 0; i < 6; ++i)
                group.async_spawn(resisting, asio::detached);
            co_await group.async_wait_all();
            CHECK(marked.count() == 0);
            for (int i = 0; i < 3; ++i)
                REQUIRE(group.spawn(closing));
            co_await group.async_stop();
            CHECK(marked.count() == 0);
        }
        {
            child_group group(executor);
            REQUIRE(group.spawn(closing));
        }
        CHECK(marked.disappears());
    });
}

TEST_CASE("contained: 1,000 children at once")
{
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    bool const is_possible = denied_syscalls().empty() && before.rlim_max >= 8000;
    rlimit const raised{is_possible ? before.rlim_max : before.rlim_cur, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &raised);
    std::size_t const count = is_possible ? 1000 : 100;
    for_each_mechanism([=](backend_config const& config) {
        mark const marked;
        asio::io_context context;
        std::vector<child> children;
        auto const cmd = contained_probe(config, marked, "resist", "leave").in(stdio::piped()).out(stdio::null());
        for (std::size_t i = 0; i < count; ++i)
            children.push_back(spawn(context, cmd).value());
        std::size_t ended = 0;
        for (auto& each : children) {
            each.in().close();
            each.async_wait([&](error_code error, exit_status status) {
                CHECK(!error.failed());
                ended += status.code() == 9;
            });
        }
        context.run_for(60s);
        CHECK(ended == count);
        CHECK(marked.count() == 0);
    });
    ::setrlimit(RLIMIT_NOFILE, &before);
}

namespace {

// Spawns, in a process of its own, a child that resists, and kills that process.
void kill_parent_of(command const& cmd, mark const& marked)
{
    int ready[2];
    REQUIRE(system::make_pipe(ready));
    {
        forked parent([&]() -> bool {
            asio::io_context context;
            auto child = spawn_ready(context, cmd);
            (void)!::write(ready[1], "x", 1);
            return pause_for_ever();
        });
        ::close(ready[1]);
        char byte;
        CHECK(::read(ready[0], &byte, 1) == 1);
        CHECK(marked.count() >= 2);
    } // killed
    ::close(ready[0]);
    CHECK(marked.disappears());
}

} // namespace

TEST_CASE("contained: descendants end if the parent is killed")
{
    for_each_contained([](backend_config const& config) {
        for (char const* how : resistances) {
            CAPTURE(std::string(how));
            mark const marked;
            kill_parent_of(contained_probe(config, marked, "resist", how), marked);
        }
    });
}

// The cgroups below that of this process.
std::set<std::string> lower_cgroups()
{
    std::set<std::string> paths;
    if (knows_linux() && !cgroup_mount().empty())
        for (auto const& entry : std::filesystem::directory_iterator(cgroup_of(::getpid())))
            paths.insert(entry.path().string());
    return paths;
}

// Whether a new cgroup exists that one of the processes has created. Another process may have had its pid before.
bool is_any_left(std::vector<std::string> const& prefixes, std::set<std::string> const& old)
{
    for (auto const& path : lower_cgroups())
        for (auto const& prefix : prefixes)
            if (path.find(prefix) != std::string::npos && !old.contains(path))
                return true;
    return false;
}

TEST_CASE("contained: descendants end if the parent is killed at any moment")
{
    for_each_contained([](backend_config const& config) {
        mark const marked;
        auto const old = lower_cgroups();
        std::vector<std::string> roots;
        for (int i = 0; i < 60; ++i) {
            bool const asynchronous = i % 2 == 0;
            {
                forked parent([&]() -> bool {
                    for (;;) {
                        asio::io_context context;
                        auto cmd = contained_probe(config, marked, "resist", "ignore");
                        cmd.in(stdio::null()).out(stdio::null());
                        if (asynchronous)
                            async_spawn(context, cmd, [](error_code, child spawned) {
                                spawned.async_stop(stop_plan(SIGTERM, 1ms), asio::detached);
                            });
                        else
                            (void)spawn(context, cmd).value().wait_for(1ms);
                        context.run();
                    }
                    return true;
                });
                roots.push_back("/brood-" + std::to_string(parent.pid()) + "-");
                ::usleep(static_cast<useconds_t>(i * 300));
            } // killed
        }
        CHECK(marked.disappears());
        CHECK(eventually([&] { return !is_any_left(roots, old); }));
    });
}

TEST_CASE("contained: a process that inherits the parent's descriptors does not keep the descendants alive")
{
    for_each_contained([](backend_config const& config) {
        mark const marked;
        int ends[2];
        REQUIRE(system::make_pipe(ends));
        {
            forked parent([&]() -> bool {
                asio::io_context context;
                auto child = spawn_ready(context, contained_probe(config, marked, "resist", "leave"));
                if (system::fork_without_handlers() == 0) {
                    ::close(ends[1]);
                    char byte;
                    (void)!::read(ends[0], &byte, 1); // until the test has ended
                    ::_exit(0);
                }
                (void)!::write(ends[1], "x", 1);
                return pause_for_ever();
            });
            REQUIRE(eventually([&] { return marked.count() >= 2; }));
            ::usleep(20'000);
        } // killed
        CHECK(marked.disappears());
        ::close(ends[0]);
        ::close(ends[1]);
    });
}

TEST_SUITE_END();
