// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/cgroup_folder.hpp"
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/ordinary_user.hpp"
#include "support/support.hpp"
#include "support/survivors.hpp"
#include "support/system.hpp"

#include <cerrno>
#include <map>
#include <optional>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// The ways to create a child in new namespaces on this machine.
std::vector<backend_config> namespaces_configs()
{
    auto configs = credentials_configs();
    std::erase_if(configs, [](backend_config const& config) {
        asio::io_context context;
        auto const child = spawn(context, probe(config, "exit", "0").namespaces(ns::user));
        if (!child)
            CHECK(stage_of(child.error()) == spawn_stage::namespaces);
        return !child;
    });
    if (configs.empty())
        MESSAGE("skipped: no user namespace can be created here");
    return configs;
}

template <class Body>
void for_each_way(Body body)
{
    for_each(namespaces_configs(), std::move(body));
}

std::map<ns, std::string> const files{{ns::user, "user"}, {ns::mount, "mnt"}, {ns::pid, "pid"},      {ns::net, "net"},
                                      {ns::ipc, "ipc"},   {ns::uts, "uts"},   {ns::cgroup, "cgroup"}};

std::string link_of(ns kind, std::string const& process = "self")
{
    return "/proc/" + process + "/ns/" + files.at(kind);
}

// Runs a function as an ordinary user in a process of its own.
template <class Function>
bool succeeds_as_user(Function function)
{
    forked process([&] {
        bool const is_user = ::geteuid() != 0 || system::become_user(1234, false);
        return is_user && system::become_dumpable() && function();
    });
    return process.succeeds();
}

} // namespace

TEST_SUITE_BEGIN("namespaces");

TEST_CASE("namespaces: the child is in the new ones and in no others")
{
    for_each_way([](backend_config const& config) {
        for (auto const& chosen : files)
            for (auto const& looked_at : files) {
                auto const kind = looked_at.first;
                CAPTURE(chosen.second);
                CAPTURE(looked_at.second);
                auto const inside =
                    output_of_now(probe(config, "link", link_of(kind)).namespaces(ns::user, chosen.first));
                bool const is_new = inside != std::filesystem::read_symlink(link_of(kind)).string();
                CHECK(is_new == (kind == chosen.first || kind == ns::user));
            }
    });
}

TEST_CASE("namespaces: a privileged process needs no user namespace")
{
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root");
        return;
    }
    for_each_way([](backend_config const& config) {
        for (auto const& looked_at : files) {
            auto const kind = looked_at.first;
            if (kind == ns::user)
                continue;
            CAPTURE(looked_at.second);
            auto const cmd = probe(config, "link", link_of(kind)).namespaces(kind);
            CHECK(output_of_now(cmd) != std::filesystem::read_symlink(link_of(kind)).string());
            auto const user = output_of_now(probe(config, "link", link_of(ns::user)).namespaces(kind));
            CHECK(user == std::filesystem::read_symlink(link_of(ns::user)).string());
        }
    });
}

TEST_CASE("namespaces: without the privilege, others than a user namespace are refused")
{
    for_each_way([](backend_config const& config) {
        public_folder const folder;
        CHECK(succeeds_as_user([&] {
            asio::io_context context;
            auto const refused = spawn(context, folder.probe(config, "exit", "0").namespaces(ns::net));
            auto const allowed = spawn(context, folder.probe(config, "exit", "0").namespaces(ns::user, ns::net));
            return allowed && !refused && refused.error() == make_error_code(spawn_stage::namespaces, EPERM);
        }));
    });
}

TEST_CASE("namespaces: a later failure has its stage and leaves no child")
{
    for_each_way([](backend_config const& config) {
        auto const inside = [&](command cmd) {
            return cmd.backend(config.backend).watcher(config.watcher).namespaces(ns::user, ns::pid, ns::mount);
        };
        CHECK(failure_of(inside(command("/nowhere"))) == make_error_code(spawn_stage::exec, ENOENT));
        CHECK(
            failure_of(inside(command("/bin/true")).current_dir("/nowhere")) ==
            make_error_code(spawn_stage::directory, ENOENT));
        CHECK(
            failure_of(inside(command("/bin/true")).chroot("/nowhere")) == make_error_code(spawn_stage::root, ENOENT));
        auto const other = failure_of(inside(command("/bin/true")).user(::geteuid() + 1)); // not mapped
        CHECK(other == make_error_code(spawn_stage::credentials, EINVAL));
    });
}

TEST_CASE("namespaces: other options apply inside")
{
    for_each_way([](backend_config const& config) {
        auto const inside = [&](auto const&... arguments) {
            return probe(config, arguments...)
                .namespaces(ns::user, ns::pid, ns::mount, ns::net)
                .map_uid(0, ::geteuid())
                .map_gid(0, ::getegid());
        };
        CHECK(output_of_now(inside("directory").current_dir("/usr")) == "/usr");
        CHECK(output_of_now(inside("umask").umask(0123)) == std::to_string(0123));
        CHECK(output_of_now(inside("status", "NoNewPrivs").no_new_privileges()) == "1");
        CHECK(output_of_now(inside("status", "SigBlk").signal_mask(SIGUSR1)) == "0000000000000200");
        CHECK(
            output_of_now(inside("descriptors").fd(9, stdio::null())) ==
            output_of_now(probe(config, "descriptors").fd(9, stdio::null())));
        CHECK(after(output_of_now(inside("ids").session()), "sid") == "1");
        CHECK(after(output_of_now(inside("ids").process_group()), "pgid") == "1");
        CHECK(output_of_now(inside("status", "CapBnd").bounding_capabilities(10)) == "0000000000000400");
        CHECK(output_of_now(inside("status", "CapAmb").ambient_capabilities(12)) == "0000000000001000");
        if (config.backend != spawn_backend::vfork)
            CHECK(output_of_now(inside("umask").pre_exec([] {
                      ::umask(::getpid() == 1 ? 0111 : 0222);
                      return error_code();
                  })) == std::to_string(0111));
    });
}

TEST_CASE("namespaces: the program is process 1 inside, and id is its pid outside")
{
    for_each_way([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        for (bool async : {false, true}) {
            CAPTURE(async);
            auto cmd = probe(config, "ids").namespaces(ns::user, ns::pid).out(stdio::piped());
            std::optional<brood::child> child; // g++ 12 destroys the operands of a conditional expression twice
            if (async)
                child = co_await async_spawn(ex, cmd);
            else
                child = spawn(ex, cmd).value();
            CHECK((co_await read_all(child->out())).starts_with("1 pgid 0 sid 0 "));
            CHECK((co_await child->async_wait()).success());
            CHECK(child->id() > 1);

            auto running = spawn(ex, probe(config, "pause").namespaces(ns::user, ns::pid).out(stdio::null())).value();
            CHECK(
                std::filesystem::read_symlink(link_of(ns::pid, std::to_string(running.id()))) !=
                std::filesystem::read_symlink(link_of(ns::pid)));
            CHECK(running.signal(SIGTERM));
            CHECK(process_state(running.id()) != 'Z'); // ignored
            CHECK((co_await running.async_stop(stop_plan(SIGTERM, 50ms))).signal() == SIGKILL);
        }
    });
}

TEST_CASE("namespaces: the end of process 1 ends all processes of its PID namespace before the wait completes")
{
    for_each_way([](backend_config const& config) {
        for (std::string const end : {"exit", "kill"}) {
            CAPTURE(end);
            mark const marked;
            asio::io_context context;
            auto cmd = marked.put_on(probe(config, "resist", "leave").namespaces(ns::user, ns::pid));
            auto child = spawn(context, cmd.in(stdio::piped()).out(stdio::piped())).value();
            run_on(context, [](brood::child& started) -> asio::awaitable<void> {
                CHECK(co_await read_line(started.out()) == "ready");
            }(child));
            CHECK(marked.count() >= 1);
            if (end == "exit")
                child.in().close();
            else
                CHECK(child.kill());
            CHECK(child.wait());
            CHECK(marked.count() == 0);
        }
    });
}

TEST_CASE("namespaces: a child that waits before its exec can be cancelled" * needs_threads())
{
    for_each_way([](backend_config const& config) -> asio::awaitable<void> {
        scratch_folder const folder;
        REQUIRE(::mkfifo(folder.path("fifo").c_str(), 0600) == 0);
        auto const ex = co_await asio::this_coro::executor;
        auto cmd = probe(config, "exit", "0").namespaces(ns::user, ns::pid);
        cmd.in(stdio::file(folder.path("fifo"), open_mode::read));
        bool timed_out = false;
        try {
            // process 1 ignores SIGTERM
            co_await async_run(ex, cmd, run_options().timeout(100ms).stop(stop_plan(std::vector<stop_step>())));
        } catch (boost::system::system_error const& error) {
            timed_out = error.code() == errc::timed_out;
        }
        CHECK(timed_out);
    });
}

TEST_CASE("namespaces: by default, the user and the group are the same inside")
{
    for_each_way([](backend_config const& config) {
        auto const ids = output_of_now(probe(config, "ids").namespaces(ns::user));
        CHECK(after(ids, " uid") == std::to_string(::geteuid()));
        CHECK(after(ids, " gid") == std::to_string(::getegid()));
        public_folder const folder;
        CHECK(succeeds_as_user([&] {
            auto const status = [&](std::string const& key) {
                return output_of_now(folder.probe(config, "status", key).namespaces(ns::user));
            };
            return status("Uid") == "1234\t1234\t1234\t1234" && status("CapEff") == "0000000000000000";
        }));
    });
}

TEST_CASE("namespaces: an ordinary user can be root inside")
{
    for_each_way([](backend_config const& config) {
        public_folder const folder;
        CHECK(succeeds_as_user([&] {
            auto const inside = [&](auto const&... arguments) {
                return folder.probe(config, arguments...)
                    .namespaces(ns::user)
                    .map_uid(0, ::geteuid())
                    .map_gid(0, ::getegid());
            };
            auto const ids = output_of_now(inside("ids"));
            bool const is_root = after(ids, " uid") == "0" && after(ids, " gid") == "0";
            bool const is_able = output_of_now(inside("status", "CapEff")) == output_of_now(inside("status", "CapBnd"));
            bool const is_denied = output_of_now(inside("file", "/proc/self/setgroups")) == "deny\n";
            return is_root && is_able && is_denied;
        }));
    });
}

// The relay would lose the capabilities, so fork is chosen.
TEST_CASE("namespaces: a user that is not root inside has all capabilities until the exec")
{
    for_each_way([](backend_config const& config) {
        if (config.watcher == exit_watcher::pidfd && denied_syscalls().find("pidfd_open") != std::string_view::npos)
            return; // fork opens the pidfd after the start
        public_folder const folder;
        CHECK(succeeds_as_user([&] {
            auto cmd = folder.probe(config, "status", "CapBnd").namespaces(ns::user).bounding_capabilities(10);
            return output_of_now(cmd.backend(spawn_backend::automatic)) == "0000000000000400";
        }));
    });
}

TEST_CASE("namespaces: an ordinary user can change the root inside")
{
    for_each_way([](backend_config const& config) {
        public_folder const folder;
        CHECK(succeeds_as_user([&] {
            command cmd("/probe", "directory");
            cmd.backend(config.backend).watcher(config.watcher).namespaces(ns::user).chroot(folder.path());
            return output_of_now(cmd) == "/";
        }));
    });
}

TEST_CASE("namespaces: a privileged process can map several ranges, and run a program as another user inside")
{
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root");
        return;
    }
    for_each_way([](backend_config const& config) {
        public_folder const folder;
        auto const inside = [&](auto const&... arguments) {
            return folder.probe(config, arguments...)
                .namespaces(ns::user)
                .map_uid(0, 0)
                .map_uid(1000, 100000, 1000)
                .map_gid(0, 0)
                .map_gid(2000, 200000, 1000);
        };
        CHECK(split(output_of_now(inside("file", "/proc/self/uid_map")), '\n').size() >= 2);
        auto const ids = output_of_now(inside("ids").user(1005).group(2005).groups({2006, 2007}));
        CHECK(after(ids, " uid") == "1005");
        CHECK(after(ids, " gid") == "2005");
        CHECK(ids.substr(ids.find("groups")) == "groups 2006 2007");
        auto const dropped = output_of_now(inside("ids").user(1005));
        CHECK(dropped.substr(dropped.find("groups")) == "groups");

        asio::io_context context;
        auto const child = spawn(context, inside("pause").user(1005).group(2005).out(stdio::null())).value();
        struct stat about {};
        REQUIRE(::stat(("/proc/" + std::to_string(child.id()) + "/fd").c_str(), &about) == 0);
        CHECK(about.st_uid == 100005);
        CHECK(about.st_gid == 200005);
    });
}

TEST_CASE("namespaces: an ordinary user cannot map other ids")
{
    for_each_way([](backend_config const& config) {
        public_folder const folder;
        CHECK(succeeds_as_user([&] {
            asio::io_context context;
            auto const refused = [&](command cmd) {
                auto const child = spawn(context, cmd.namespaces(ns::user));
                return !child && child.error() == make_error_code(spawn_stage::namespaces, EPERM) && !has_children();
            };
            auto const cmd = folder.probe(config, "exit", "0");
            return refused(command(cmd).map_uid(0, ::geteuid() + 1)) && refused(command(cmd).map_uid(0, 1233, 2)) &&
                   refused(command(cmd).map_gid(0, ::getegid() + 1)) &&
                   refused(command(cmd).map_uid(0, 1234).map_uid(1, 1235));
        }));
    });
}

TEST_CASE("namespaces: malformed ranges and kinds are errors")
{
    if (!knows_linux()) {
        MESSAGE("skipped: requires Linux");
        return;
    }
    backend_config const automatic{spawn_backend::automatic, exit_watcher::automatic};
    auto const error_of = [&](auto set) {
        auto cmd = probe(automatic, "exit", "0").namespaces(ns::user);
        set(cmd);
        return failure_of(cmd);
    };
    auto const invalid = make_error_code(spawn_stage::namespaces, EINVAL);
    CHECK(error_of([](command& c) { c.namespaces(static_cast<ns>(99)); }) == invalid);
    CHECK(error_of([](command& c) { c.namespaces(static_cast<ns>(-1), ns::user); }) == invalid);
    CHECK(error_of([](command& c) { c.namespaces(ns::net).map_uid(0, 0); }) == invalid);
    CHECK(error_of([](command& c) { c.namespaces().map_gid(0, 0); }) == invalid);
    CHECK(error_of([](command& c) { c.map_uid(0, 0, 0); }) == invalid);
    CHECK(error_of([](command& c) { c.map_uid(0, 0, 10).map_uid(9, 20); }) == invalid);
    CHECK(error_of([](command& c) { c.map_uid(0, 0, 10).map_uid(20, 9); }) == invalid);
    CHECK(error_of([](command& c) { c.map_gid(0, 0xffffffff); }) == invalid);
    CHECK(error_of([](command& c) { c.map_gid(0xffffffff, 0); }) == invalid);
    CHECK(error_of([](command& c) { c.map_gid(2, 0, 0xffffffff); }) == invalid);
    CHECK(error_of([](command& c) {
              for (unsigned id = 0; id <= 340; ++id)
                  c.map_uid(id, id);
          }) == invalid);
    auto const group = error_of([](command& c) { c.namespaces(ns::pid).process_group(::getpgrp()); });
    CHECK(group == make_error_code(spawn_stage::prepare, EINVAL));
}

TEST_CASE("namespaces: combinations without support fail before anything is started")
{
    auto const unsupported = [](command cmd) {
        CAPTURE(cmd);
        CHECK(failure_of(cmd) == std::errc::not_supported);
    };
    backend_config const automatic{spawn_backend::automatic, exit_watcher::automatic};
    unsupported(probe(automatic, "exit", "0").namespaces(ns::net).backend(spawn_backend::posix_spawn));
    unsupported(probe(automatic, "exit", "0").namespaces(ns::cgroup).backend(spawn_backend::posix_spawn));
    unsupported(probe(automatic, "exit", "0").namespaces(ns::user, ns::pid).parent_death_signal(SIGKILL));
    CHECK(exec(command("true").namespaces(ns::user)) == std::errc::not_supported);
}

TEST_CASE("namespaces: mounts are not propagated")
{
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root");
        return;
    }
    for_each_way([](backend_config const& config) {
        forked process([&] {
            if (!system::share_mounts())
                return false;
            auto const mounts = [&](command cmd) { return output_of_now(cmd).find(" shared:") != std::string::npos; };
            auto const cmd = probe(config, "file", "/proc/self/mountinfo");
            return mounts(cmd) && !mounts(command(cmd).namespaces(ns::mount)) &&
                   !mounts(command(cmd).namespaces(ns::user, ns::mount));
        });
        CHECK(process.succeeds());
    });
}

TEST_CASE("namespaces: the root of a cgroup namespace is the cgroup of the command")
{
    cgroup_folder folder;
    if (!folder)
        return;
    for_each_way([&](backend_config const& config) {
        if (knows_cgroups(config))
            CHECK(output_of_now(probe(config, "cgroup").cgroup(folder.path()).namespaces(ns::user, ns::cgroup)) == "/");
    });
}

TEST_CASE("namespaces: a stage of a pipeline may have its own")
{
    for_each_way([](backend_config const& config) -> asio::awaitable<void> {
        auto const isolated = probe(config, "copy").namespaces(ns::user, ns::pid);
        auto const plain = probe(config, "copy");
        auto const options = output_options().input("through");
        for (auto const& line : {isolated | plain, plain | isolated, isolated | isolated}) {
            auto const result = co_await async_output(co_await asio::this_coro::executor, line, options);
            CHECK(result.out == "through");
            CHECK(pipefail(result.statuses).success());
        }
    });
}

TEST_SUITE_END();
