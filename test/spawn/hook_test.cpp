// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"
#include "support/support.hpp"

#include <cerrno>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// Only fork runs hooks; the automatic choice selects it.
std::vector<backend_config> const hook_configs{
    {spawn_backend::automatic, exit_watcher::automatic}, {spawn_backend::fork, exit_watcher::automatic}};

} // namespace

TEST_SUITE_BEGIN("hook");

TEST_CASE("pre_exec: runs in the child and cannot change the parent's memory")
{
    for_each(hook_configs, [&](backend_config const& config) {
        int calls = 0;
        auto cmd = probe(config, "umask");
        cmd.pre_exec([&] {
            ++calls;
            ::umask(0123);
            return error_code();
        });
        CHECK(output_of_now(cmd) == std::to_string(0123));
        CHECK(calls == 0);
    });
}

TEST_CASE("pre_exec: a hook that fails runs once")
{
    for_each(hook_configs, [](backend_config const& config) {
        void* const shared = ::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        REQUIRE(shared != MAP_FAILED);
        auto& calls = *static_cast<int*>(shared);
        auto const failing = probe(config, "exit", "0").pre_exec([&] {
            ++calls;
            return error_code(EDOM, boost::system::system_category());
        });
        asio::io_context context;
        CHECK(spawn(context, failing).error() == make_error_code(spawn_stage::hook, EDOM));
        CHECK(calls == 1);
        error_code failure;
        async_spawn(context, failing, [&](error_code error, child) { failure = error; });
        context.run_for(60s);
        CHECK(failure == make_error_code(spawn_stage::hook, EDOM));
        CHECK(calls == 2);
        ::munmap(shared, sizeof(int));
    });
}

TEST_CASE("pre_exec: a process that the hook forks does not delay the start")
{
    for_each(hook_configs, [](backend_config const& config) {
        auto ends = os::make_pipe().value();
        auto cmd = probe(config, "exit", "0");
        cmd.pre_exec([&] {
            ends.second.reset();
            if (::fork() == 0) {
                char ended;
                (void)!::read(ends.first.get(), &ended, 1); // until the parent has closed its end
                ::_exit(0);
            }
            return error_code();
        });
        cmd.in(stdio::null()).out(stdio::null()).err(stdio::null());
        asio::io_context context;
        CHECK(spawn(context, cmd).value().wait().value().success()); // hangs if the start waits for the process
        bool success = false;
        async_run(context, cmd, [&](error_code ec, exit_status status) { success = !ec.failed() && status.success(); });
        context.run_for(60s);
        CHECK(success);
    });
}

TEST_CASE("pre_exec: an error or exception fails with stage hook")
{
    for_each(hook_configs, [&](backend_config const& config) {
        asio::io_context context;
        auto const failure_with = [&](std::function<error_code()> hook) {
            auto cmd = probe(config, "exit", "0");
            return spawn(context, cmd.pre_exec(hook)).error();
        };

        auto const system_error = failure_with([] { return error_code(EDOM, boost::system::system_category()); });
        CHECK(system_error.value() == EDOM);
        CHECK(stage_of(system_error) == spawn_stage::hook);
        auto const other_category = failure_with([] { return error_code(errc::timed_out); });
        CHECK(other_category == std::errc::operation_canceled);
        CHECK(stage_of(other_category) == spawn_stage::hook);
        for (int number : {-1, 70000}) {
            auto const bad_number = failure_with([&] { return error_code(number, boost::system::generic_category()); });
            CHECK(bad_number == std::errc::operation_canceled);
            CHECK(stage_of(bad_number) == spawn_stage::hook);
        }
        auto const thrown = failure_with([]() -> error_code { throw 5; });
        CHECK(thrown == std::errc::operation_canceled);
        CHECK(stage_of(thrown) == spawn_stage::hook);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("pre_exec: several hooks run in order, and the first error ends the start")
{
    for_each(hook_configs, [&](backend_config const& config) {
        auto cmd = probe(config, "umask");
        cmd.pre_exec([] { return ::umask(011), error_code(); }).pre_exec([] {
            return ::umask(022) == 011 ? error_code() : error_code(EDOM, boost::system::system_category());
        });
        CHECK(output_of_now(cmd) == std::to_string(022));

        asio::io_context context;
        auto const fail_with = [](int number) {
            return [number] { return error_code(number, boost::system::system_category()); };
        };
        auto failing = probe(config, "exit", "0");
        CHECK(spawn(context, failing.pre_exec(fail_with(EDOM)).pre_exec(fail_with(ERANGE))).error().value() == EDOM);
    });
}

TEST_SUITE_END();
