// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/ordinary_user.hpp"
#include "support/support.hpp"
#include "support/system.hpp"

#include <cerrno>

#include <signal.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

command filtered(command cmd, std::string_view denied)
{
    return cmd.no_new_privileges().seccomp(filter_denying(denied));
}

template <class Body>
void for_each_filtered(Body body)
{
    if (!knows_linux() || !can_deny_syscalls()) {
        MESSAGE("skipped: system calls cannot be filtered here");
        return;
    }
    for_each(credentials_configs(), std::move(body));
}

} // namespace

TEST_SUITE_BEGIN("seccomp");

TEST_CASE("seccomp: the filter applies to the program")
{
    for_each_filtered([](backend_config const& config) {
        CHECK(output_of_now(filtered(probe(config, "nice"), "getpriority=EPERM")) == "-1");
        CHECK(output_of_now(filtered(probe(config, "status", "Seccomp"), "getpriority=EPERM")) == "2");
    });
}

TEST_CASE("seccomp: the filter does not apply to the other steps")
{
    for_each_filtered([](backend_config const& config) {
        auto const denied = "prctl=EPERM,getpriority=EPERM,close_range=EPERM";
        auto cmd = filtered(probe(config, "directory"), denied);
        CHECK(output_of_now(cmd.current_dir("/").nice(0).fd(5, stdio::null())) == "/");
        if (config.backend == spawn_backend::fork) {
            auto hooked = filtered(probe(config, "nice"), denied);
            CHECK(output_of_now(hooked.pre_exec([] {
                      return ::nice(0) == -1 ? error_code(EDOM, boost::system::system_category()) : error_code();
                  })) == "-1");
        }
    });
}

TEST_CASE("seccomp: applies to a contained program")
{
    for_each_filtered([](backend_config const& config) {
        asio::io_context context;
        if (!spawn(context, probe(config, "exit", "0").contained()))
            return; // fork does not contain
        CHECK(output_of_now(filtered(probe(config, "nice").contained(), "getpriority=EPERM")) == "-1");
    });
}

TEST_CASE("seccomp: a failure of the exec is reported through the filter")
{
    for_each_filtered([](backend_config const& config) {
        command missing("/nowhere");
        missing.backend(config.backend).watcher(config.watcher);
        for (auto denied : {"getpriority=EPERM", "write=EPERM", "sendto=EPERM", "exit_group=EPERM"}) {
            CAPTURE(std::string(denied));
            CHECK(failure_of(filtered(missing, denied)) == make_error_code(spawn_stage::exec, ENOENT));
        }
        auto const refused = failure_of(filtered(probe(config, "exit", "0"), "execve=ENOSYS"));
        CHECK(refused == make_error_code(spawn_stage::exec, ENOSYS));
    });
}

TEST_CASE("seccomp: a filter that kills the child at its exec ends the child with SIGSYS, and not this process")
{
    for_each_filtered([](backend_config const& config) {
        asio::io_context context;
        auto child = spawn(context, filtered(probe(config, "exit", "0"), "execve=KILL")).value();
        CHECK(child.wait().value().signal() == SIGSYS);
    });
}

TEST_CASE("seccomp: a child that can report no failure is not taken for a program")
{
    for_each_filtered([](backend_config const& config) {
        asio::io_context context;
        command missing("/nowhere");
        missing.backend(config.backend).watcher(config.watcher);
        auto const denied = "write=EPERM,sendto=EPERM,exit_group=EPERM,exit=EPERM";
        CHECK(spawn(context, filtered(missing, denied)).value().wait().value().signal() == SIGKILL);
        auto const more = std::string(denied) + ",kill=EPERM";
        CHECK(spawn(context, filtered(missing, more)).value().wait().value().signal() == SIGILL);
    });
}

TEST_CASE("seccomp: without the privilege and no_new_privs, the filter is refused")
{
    for_each_filtered([](backend_config const& config) {
        public_folder const folder;
        forked process([&] {
            if (::geteuid() == 0 && !system::become_user(1234, false))
                return false;
            asio::io_context context;
            auto cmd = folder.probe(config, "exit", "0").seccomp(filter_denying("getpriority=EPERM"));
            auto const child = spawn(context, cmd);
            if (child || child.error() != make_error_code(spawn_stage::seccomp, EACCES) || has_children())
                return false;
            auto const allowed = spawn(context, cmd.no_new_privileges());
            return allowed && true;
        });
        CHECK((process.succeeds() || !denied_syscalls().empty())); // with denied calls, no_new_privs is set already
    });
}

TEST_CASE("seccomp: a privileged process needs no no_new_privs, also for another user")
{
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root");
        return;
    }
    for_each_filtered([](backend_config const& config) {
        public_folder const folder;
        auto const filter = filter_denying("getpriority=EPERM");
        CHECK(output_of_now(folder.probe(config, "nice").seccomp(filter)) == "-1");
        auto cmd = folder.probe(config, "nice").user(1234).no_new_privileges().seccomp(filter);
        CHECK(output_of_now(cmd) == "-1");
    });
}

TEST_CASE("seccomp: exec filters the calls of this process")
{
    if (!knows_linux() || !can_deny_syscalls()) {
        MESSAGE("skipped: system calls cannot be filtered here");
        return;
    }
    scratch_folder const folder;
    forked process([&] {
        auto cmd = filtered(command(probe_path(), "nice"), "getpriority=EPERM");
        (void)exec(cmd.out(stdio::file(folder.path("out"), open_mode::write)));
        return false;
    });
    CHECK(process.succeeds());
    CHECK(folder.read("out") == "-1");
}

TEST_SUITE_END();
