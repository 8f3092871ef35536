// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fault/linux/scenarios.hpp"

#include "support/deny_syscalls.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace test {
namespace {

using namespace brood;

using body = asio::awaitable<void>;

auto const as_result_of_await = as_result(asio::use_awaitable);

command exiting(scenario_run& run) { return run.probe("exit", "3").out(stdio::null()); }
command pausing(scenario_run& run) { return run.probe("pause").out(stdio::null()); }
command writing(scenario_run& run) { return run.probe("write", "1", "text"); }

stop_plan short_plan() { return stop_plan(SIGTERM, 100ms); }

void expect_code(scenario_run& run, exit_status const& status)
{
    run.expect(status.code() == 3, "the exit status is wrong");
}

void expect_signal(scenario_run& run, exit_status const& status)
{
    run.expect(status.signal() == SIGTERM || status.signal() == SIGKILL, "the exit status is wrong");
}

// The first operation that fails, then the synchronous wait.
void spawn_and_wait(scenario_run& run, command const& cmd)
{
    auto child = spawn(run.context(), cmd);
    if (!run.succeeded("spawn", child))
        return;
    auto const status = child.value().wait();
    if (run.succeeded("wait", status))
        expect_code(run, status.value());
}

body await_exit(scenario_run& run, child& process)
{
    auto const status = co_await process.async_wait(as_result_of_await);
    if (run.succeeded("async_wait", status))
        expect_code(run, status.value());
}

body spawn_program(scenario_run& run)
{
    run.arm();
    spawn_and_wait(run, exiting(run));
    co_return;
}

command with_descriptors(command cmd)
{
    cmd.in(stdio::null()).out(stdio::file("/dev/null", open_mode::write)).err(stdio::same_as(1));
    cmd.fd(7, stdio::null()).fd(8, stdio::fd(0)).current_dir("/usr").reset_signals();
    return std::move(cmd.env("WORD", "word").signal_mask(SIGUSR1));
}

// The scripts contain no command substitution. The shell reads a pipe for it, and closes the other end first. If the
// end of its child interrupts that close(2) while the call waits for the injector, the pipe stays open and the shell
// hangs.

// Reads the ids of the shell into `user` and `group`.
std::string const read_ids =
    "while read key value rest; do case $key in Uid:) user=$value ;; Gid:) group=$value ;; esac; "
    "done </proc/self/status\n";

// A shell checks every attribute that it can see.
body spawn_with_descriptors(scenario_run& run)
{
    run.arm();
    spawn_and_wait(
        run, with_descriptors(run.command(
                                  "/bin/sh", "-c",
                                  "read pid name state parent group session rest </proc/self/stat\n"
                                  "[ $PWD = /usr ] && [ $group = $pid ] && [ $WORD = word ] && ! read line && exit 3"))
                 .process_group());
    co_return;
}

body spawn_with_attributes(scenario_run& run)
{
    auto cmd = run.command(
        "/bin/sh", "-c",
        "read pid name state parent group session a b c d e f g h i j k priority nice rest </proc/self/stat\n"
        "while read key value rest; do [ $key = Umask: ] && mask=$value; done </proc/self/status\n"
        "while read a b c soft rest; do [ \"$a $b $c\" = 'Max open files' ] && files=$soft; done </proc/self/limits\n"
        "[ $PWD = /usr ] && [ $mask = 0027 ] && [ $files = 64 ] && [ $session = $pid ] && [ $nice = $NICE ] && "
        "[ $WORD = word ] && ! read line && exit 3");
    cmd.env("NICE", std::to_string(::getpriority(PRIO_PROCESS, 0) + 1));
    cmd = with_descriptors(std::move(cmd));
    cmd.umask(027).limit(RLIMIT_NOFILE, 64, 64).session().nice(1).no_new_privileges().parent_death_signal(SIGKILL);
    run.arm();
    spawn_and_wait(run, cmd);
    co_return;
}

body spawn_asynchronously(scenario_run& run)
{
    run.arm();
    auto child = co_await async_spawn(run.context(), exiting(run), as_result_of_await);
    if (run.succeeded("async_spawn", child))
        co_await await_exit(run, child.value());
}

body spawn_asynchronously_with_descriptors(scenario_run& run)
{
    run.arm();
    auto child = co_await async_spawn(
        run.context(), with_descriptors(run.command("/bin/sh", "-c", "[ $WORD = word ] && exit 3")),
        as_result_of_await);
    if (run.succeeded("async_spawn", child))
        co_await await_exit(run, child.value());
}

body cancel_spawn(scenario_run& run)
{
    auto const cancel = std::make_shared<asio::cancellation_signal>();
    auto const handler = [&run, cancel, then = run.handler()](error_code error, child) {
        if (error != asio::error::operation_aborted)
            run.succeeded("async_spawn", error);
    };
    run.arm();
    async_spawn(run.context(), pausing(run), asio::bind_cancellation_slot(cancel->slot(), handler));
    cancel->emit(asio::cancellation_type::terminal);
    co_return;
}

body wait_asynchronously(scenario_run& run)
{
    run.arm();
    auto child = spawn(run.context(), exiting(run));
    if (!run.succeeded("spawn", child))
        co_return;
    child.value().async_wait(run.handler());
    co_await await_exit(run, child.value());
}

body kill_and_wait(scenario_run& run)
{
    run.arm();
    auto child = spawn(run.context(), pausing(run));
    if (!run.succeeded("spawn", child) || !run.succeeded("kill", child.value().kill()))
        co_return;
    auto const status = co_await child.value().async_wait(as_result_of_await);
    if (run.succeeded("async_wait", status))
        expect_signal(run, status.value());
}

body stop(scenario_run& run)
{
    run.arm();
    auto child = spawn(run.context(), pausing(run).process_group());
    if (!run.succeeded("spawn", child))
        co_return;
    auto const status = co_await child.value().async_stop(short_plan(), as_result_of_await);
    if (run.succeeded("async_stop", status))
        expect_signal(run, status.value());
}

body run_to_end(scenario_run& run)
{
    run.arm();
    auto const status = co_await async_run(run.context(), exiting(run), as_result_of_await);
    if (run.succeeded("async_run", status))
        expect_code(run, status.value());
}

body capture_output(scenario_run& run)
{
    run.arm();
    std::string const text(100'000, 'x'); // more than a pipe holds
    auto const options = output_options().input(asio::buffer(text)).timeout(1h).stop(short_plan());
    auto cmd = run.probe("copy").err(stdio::piped());
    auto const output = co_await async_output(run.context(), cmd, options, as_result_of_await);
    // EPIPE means that the child has closed its input, which is no error.
    if (run.succeeded("async_output", output) && !run.is_faulty(SYS_pwritev2, EPIPE))
        run.expect(output.value().out == text && output.value().status.success(), "the output is wrong");
}

body stop_after_timeout(scenario_run& run)
{
    run.arm();
    auto const options = output_options().timeout(1ms).stop(short_plan());
    auto const output = co_await async_output(run.context(), run.probe("pause"), options, as_result_of_await);
    if (output)
        run.expect(false, "the timeout has no effect");
    else if (output.error() != errc::timed_out)
        run.succeeded("async_output", output);
}

body run_pipeline(scenario_run& run)
{
    run.arm();
    auto line = writing(run) | run.probe("copy") | run.probe("copy");
    auto const options = output_options().stop(short_plan());
    auto const output = co_await async_output(run.context(), std::move(line), options, as_result_of_await);
    if (run.succeeded("async_output", output))
        run.expect(output.value().out == "text", "the output is wrong");
}

body spawn_pipeline(scenario_run& run)
{
    run.arm();
    auto children = spawn(run.context(), writing(run) | run.probe("copy").out(stdio::null()));
    if (!run.succeeded("spawn", children))
        co_return;
    for (auto& child : children.value()) {
        auto const status = co_await child.async_wait(as_result_of_await);
        if (run.succeeded("async_wait", status))
            run.expect(status.value().success(), "the exit status is wrong");
    }
}

body run_group(scenario_run& run)
{
    run.arm();
    child_group group(run.context(), group_options().max_running(1).each(output_options().stop(short_plan())));
    auto const started = co_await group.async_spawn(writing(run).out(stdio::piped()), as_result_of_await);
    group.async_spawn(pausing(run).in(stdio::fd(0)), run.handler()); // is queued
    if (run.succeeded("async_spawn", started)) {
        auto const ended = co_await group.async_next(as_result_of_await);
        if (run.succeeded("async_next", ended))
            run.expect(ended.value().out == "text" || ended.value().status.signal(), "the output is wrong");
    }
    auto const stopped = co_await group.async_stop(as_result_of_await);
    run.succeeded("async_stop", stopped);
}

body drop_group(scenario_run& run)
{
    run.arm();
    child_group group(run.context(), group_options().max_running(2));
    run.succeeded("spawn", group.spawn(pausing(run)));
    group.async_spawn(pausing(run), run.handler());
    group.async_spawn(pausing(run), run.handler());
    co_return;
}

body use_terminal(scenario_run& run)
{
    run.arm();
    auto child = spawn(run.context(), writing(run).terminal());
    if (!run.succeeded("spawn", child))
        co_return;
    std::string text;
    auto const [error, size] = co_await asio::async_read(
        child.value().terminal(), asio::dynamic_buffer(text), asio::as_tuple(asio::use_awaitable));
    // EIO means that the terminal has been closed, which is the end of the file.
    if (error == asio::error::eof)
        run.expect(
            text == "text" || run.is_faulty(SYS_ioctl, EIO) || run.is_faulty(SYS_read, EIO), "the output is wrong");
    else
        run.succeeded("async_read", error);
    auto const status = co_await child.value().async_wait(as_result_of_await);
    run.succeeded("async_wait", status);
}

body use_channel(scenario_run& run)
{
    run.arm();
    auto cmd = run.probe("copy").fd(3, stdio::piped()).in(stdio::same_as(3)).out(stdio::same_as(3));
    auto child = spawn(run.context(), cmd);
    if (!run.succeeded("spawn", child))
        co_return;
    auto& channel = child.value().channel(3);
    auto const [error, size] =
        co_await asio::async_write(channel, asio::buffer("text", 4), asio::as_tuple(asio::use_awaitable));
    if (!run.succeeded("async_write", error))
        co_return;
    error_code shut;
    channel.shutdown(asio::socket_base::shutdown_send, shut);
    if (!run.succeeded("shutdown", shut))
        co_return;
    std::string text;
    auto const [read_error, read_size] =
        co_await asio::async_read(channel, asio::dynamic_buffer(text), asio::as_tuple(asio::use_awaitable));
    if (read_error == asio::error::eof)
        run.expect(text == "text", "the output is wrong");
    else
        run.succeeded("async_read", read_error);
}

constexpr unsigned other_user = 65534;

body change_user(scenario_run& run)
{
    auto cmd = run.command("/bin/sh", "-c", read_ids + "[ $user = 65534 ] && [ $group = 65534 ] && exit 3");
    cmd.user(other_user).group(other_user).out(stdio::null());
    run.arm();
    spawn_and_wait(run, cmd);
    co_return;
}

bool is_root() { return ::geteuid() == 0; }

std::string cgroup_path;

bool has_cgroup() { return !cgroup_path.empty(); }

body enter_cgroup(scenario_run& run)
{
    run.arm();
    spawn_and_wait(run, exiting(run).cgroup(cgroup_path));
    co_return;
}

// The program leaves a process that would outlive it.
command leaving(scenario_run& run)
{
    return run.command("/bin/sh", "-c", "sleep 100 & exit 3").out(stdio::null()).contained();
}

// With a named cgroup, a guard contains the child.
command guarded(command cmd) { return has_cgroup() ? cmd.cgroup(cgroup_path) : cmd; }

// Where no cgroup can be created and no guard can run, nothing can contain a child. To create one takes many calls.
template <class T>
bool is_contained(scenario_run& run, std::string_view operation, result<T> const& outcome)
{
    if (!outcome && outcome.error() == boost::system::errc::not_supported && run.lacks_feature())
        return false;
    if (!outcome && stage_of(outcome.error()) == spawn_stage::cgroup && run.is_error(outcome.error().value()))
        return false;
    return run.succeeded(operation, outcome);
}

// A guard that fails kills the program. ECHILD means that the program has ended, so the rest is killed.
bool may_be_killed(scenario_run& run) { return run.fails_in_child() || run.is_faulty(SYS_waitid, ECHILD); }

void expect_end(scenario_run& run, exit_status const& status)
{
    run.expect(status.code() == 3 || (may_be_killed(run) && status.signal() == SIGKILL), "the exit status is wrong");
}

void spawn_contained(scenario_run& run, command const& cmd)
{
    auto child = spawn(run.context(), cmd);
    if (!is_contained(run, "spawn", child))
        return;
    auto const status = child.value().wait();
    if (run.succeeded("wait", status))
        expect_end(run, status.value());
}

body contain(scenario_run& run)
{
    run.arm();
    spawn_contained(run, leaving(run));
    co_return;
}

body guard(scenario_run& run)
{
    run.arm();
    spawn_contained(run, guarded(leaving(run)));
    co_return;
}

body stop_contained(scenario_run& run, command cmd)
{
    auto child = co_await async_spawn(run.context(), std::move(cmd), as_result_of_await);
    if (!is_contained(run, "async_spawn", child))
        co_return;
    auto const status = co_await child.value().async_stop(short_plan(), as_result_of_await);
    if (run.succeeded("async_stop", status))
        expect_signal(run, status.value());
}

body stop_with_cgroup(scenario_run& run)
{
    run.arm();
    co_await stop_contained(run, pausing(run).contained());
}

body stop_with_guard(scenario_run& run)
{
    run.arm();
    co_await stop_contained(run, guarded(pausing(run).contained()));
}

body run_contained_pipeline(scenario_run& run)
{
    run.arm();
    auto line = pipeline({writing(run), run.probe("copy")}).contained();
    auto const options = output_options().stop(short_plan());
    auto const output = co_await async_output(run.context(), std::move(line), options, as_result_of_await);
    if (is_contained(run, "async_output", output))
        run.expect(output.value().out == "text" || may_be_killed(run), "the output is wrong");
}

body use_scope(scenario_run& run)
{
    run.arm();
    auto scope = cgroup_scope::create(run.context());
    if (!scope && run.has_fault()) { // whatever has failed
        run.expect(stage_of(scope.error()) == spawn_stage::cgroup, "the stage is wrong");
        co_return;
    }
    if (!run.succeeded("create", scope))
        co_return;
    auto child = spawn(run.context(), pausing(run).cgroup(scope.value()));
    if (!is_contained(run, "spawn", child))
        co_return;
    auto const killed = co_await scope.value().async_kill(as_result_of_await);
    if (!run.succeeded("async_kill", killed))
        co_return;
    auto const status = co_await child.value().async_wait(as_result_of_await);
    if (run.succeeded("async_wait", status))
        expect_signal(run, status.value());
}

body enter_namespaces(scenario_run& run)
{
    run.arm();
    spawn_and_wait(
        run, run.command("/bin/sh", "-c", read_ids + "[ $$ = 1 ] && [ $user = 0 ] && exit 3")
                 .namespaces(ns::user, ns::pid)
                 .map_uid(0, ::geteuid())
                 .map_gid(0, ::getegid()));
    co_return;
}

body filter_calls(scenario_run& run)
{
    auto cmd = run.command("/bin/sh", "-c", "nice >/dev/null 2>&1 || exit 3");
    cmd.no_new_privileges().seccomp(filter_denying("getpriority=EPERM"));
    run.arm();
    spawn_and_wait(run, cmd);
    co_return;
}

body open_and_wait(scenario_run& run)
{
    auto child = spawn(run.context(), pausing(run));
    if (!run.succeeded("spawn", child))
        co_return;
    run.arm();
    auto opened = open_process(run.context(), child.value().id());
    if (!run.succeeded("open_process", opened) || !run.succeeded("kill", opened.value().kill()))
        co_return;
    auto const status = co_await opened.value().async_wait(as_result_of_await);
    if (run.succeeded("async_wait", status))
        expect_signal(run, status.value());
}

body drop(scenario_run& run)
{
    run.arm();
    run.succeeded("spawn", spawn(run.context(), pausing(run)));
    co_return;
}

body detach(scenario_run& run)
{
    run.arm();
    auto child = spawn(run.context(), exiting(run));
    if (run.succeeded("spawn", child))
        child.value().detach();
    co_return;
}

// The operations of every kind are pending when the context is destroyed.
body destroy_context(scenario_run& run)
{
    run.arm();
    auto spawned = spawn(run.context(), pausing(run).in(stdio::piped()));
    if (run.succeeded("spawn", spawned)) {
        auto const owned = std::make_shared<child>(std::move(spawned).value());
        owned->async_wait([owned, then = run.handler()](auto&&...) {});
    }
    async_spawn(run.context(), pausing(run), run.handler());
    async_run(run.context(), pausing(run) | pausing(run), run.handler());
    async_output(run.context(), run.probe("pause"), run.handler());
    run.abandon_context();
    co_return;
}

} // namespace

void use_cgroup(std::string path) { cgroup_path = std::move(path); }

std::vector<scenario> const& all_scenarios()
{
    static std::vector<scenario> const all{
        {"spawn", spawn_program, nullptr, ""},
        {"spawn with descriptors", spawn_with_descriptors, nullptr, ""},
        {"spawn with attributes", spawn_with_attributes, nullptr, ""},
        {"async_spawn", spawn_asynchronously, nullptr, ""},
        {"async_spawn with descriptors", spawn_asynchronously_with_descriptors, nullptr, ""},
        {"async_spawn, cancelled", cancel_spawn, nullptr, ""},
        {"async_wait", wait_asynchronously, nullptr, ""},
        {"kill", kill_and_wait, nullptr, ""},
        {"stop", stop, nullptr, ""},
        {"run", run_to_end, nullptr, ""},
        {"output", capture_output, nullptr, ""},
        {"output with a timeout", stop_after_timeout, nullptr, ""},
        {"pipeline", run_pipeline, nullptr, ""},
        {"spawn of a pipeline", spawn_pipeline, nullptr, ""},
        {"group", run_group, nullptr, ""},
        {"group, dropped", drop_group, nullptr, ""},
        {"terminal", use_terminal, nullptr, ""},
        {"channel", use_channel, nullptr, ""},
        {"user", change_user, is_root, "only root may change the user"},
        {"cgroup", enter_cgroup, has_cgroup, "no cgroup can be created"},
        {"contained", contain, nullptr, ""},
        {"contained by a guard", guard, nullptr, ""},
        {"contained, stopped", stop_with_cgroup, nullptr, ""},
        {"contained by a guard, stopped", stop_with_guard, nullptr, ""},
        {"pipeline, contained", run_contained_pipeline, nullptr, ""},
        {"cgroup scope", use_scope, has_cgroup, "no cgroup can be created"},
        {"namespaces", enter_namespaces, nullptr, ""},
        {"seccomp", filter_calls, nullptr, ""},
        {"open_process", open_and_wait, nullptr, ""},
        {"drop", drop, nullptr, ""},
        {"detach", detach, nullptr, ""},
        {"context destroyed", destroy_context, nullptr, ""},
    };
    return all;
}

} // namespace test
