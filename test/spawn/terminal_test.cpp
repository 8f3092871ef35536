// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/pipes.hpp"
#include "os/terminal.hpp"
#include "support/beside_other_spawns.hpp"
#include "support/forked.hpp"
#include "support/on_terminal.hpp"
#include "support/standard_streams.hpp"
#include "support/support.hpp"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/resource.h>

using namespace brood;
using namespace test;

namespace {

// Spawns a child on a terminal and reads the terminal to its end. The child must succeed.
std::string terminal_output(command const& cmd)
{
    std::string output;
    run([](command c, std::string& text) -> asio::awaitable<void> {
        auto child = brood::spawn(co_await asio::this_coro::executor, c).value();
        text = co_await read_all(child.terminal());
        CHECK((co_await child.async_wait()).success());
    }(cmd, output));
    return output;
}

} // namespace

TEST_SUITE_BEGIN("spawn terminal");

TEST_CASE("terminal: all three streams are a controlling terminal of the requested size")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        CHECK(terminal_output(on_terminal(config, "terminal")) == "yes yes yes 24x80");
        CHECK(terminal_output(on_terminal(config, "terminal").terminal({5, 300})) == "yes yes yes 5x300");
        CHECK(terminal_output(on_terminal(config, "terminal").session()) == "yes yes yes 24x80");
        CHECK(terminal_output(on_terminal(config, "terminal").inherit_fds(true)) == "yes yes yes 24x80");
        CHECK(terminal_output(on_terminal(config, "descriptors")) == "0 1 2 ");
    });
}

TEST_CASE("terminal: the child leads a session and a group that stop plans signal")
{
    for_each(terminal_configs(), [&](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = brood::spawn(ex, on_terminal(config, "family")).value();
        auto const grandchild = std::stoi(co_await read_line(child.terminal()));
        CHECK(::getsid(child.id()) == child.id());
        CHECK(::getpgid(grandchild) == child.id());
        stop_plan const at_once(SIGKILL, 1s);
        CHECK((co_await child.async_stop(at_once)).signal() == SIGKILL);
        CHECK(eventually([&] { return !is_alive(grandchild); }));
    });
}

TEST_CASE("terminal: streams with another setting keep it")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        auto piped = on_terminal(config, "terminal");
        CHECK(output_of_now(piped) == "yes no yes 24x80"); // output_of_now pipes standard output
        CHECK(output_of_now(piped.in(stdio::null())) == "no no yes 24x80");
        // Without a stream on it, it is still the controlling terminal.
        CHECK(output_of_now(piped.err(stdio::null())) == "no no no 24x80");

        auto same = on_terminal(config, "terminal");
        CHECK(terminal_output(same.err(stdio::same_as(1)).in(stdio::same_as(2))) == "yes yes yes 24x80");

        scratch_folder folder;
        auto const file = folder.write("in", "");
        std::string output;
        {
            int const in = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
            standard_streams replaced(in, 1, 2);
            output = terminal_output(on_terminal(config, "terminal").in(stdio::inherit()));
            ::close(in);
        }
        CHECK(output == "no yes yes 24x80");
    });
}

TEST_CASE("terminal: descriptors can be mapped to the numbers of its ends")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        auto cmd = on_terminal(config, "terminal");
        for (int fd = 3; fd < 30; ++fd)
            cmd.fd(fd, fd % 2 ? stdio::null() : stdio::same_as(0));
        CHECK(terminal_output(cmd) == "yes yes yes 24x80");
        CHECK(output_of_now(cmd.in(stdio::null()).err(stdio::null())) == "no no no 24x80");
    });
}

TEST_CASE("terminal: works if standard streams of the parent are closed")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        std::array<std::string, 8> outputs;
        for (unsigned closed = 0; closed < 8; ++closed) {
            standard_streams without(closed);
            run([&](std::string& text) -> asio::awaitable<void> {
                auto child = brood::spawn(co_await asio::this_coro::executor, on_terminal(config, "terminal")).value();
                error_code ec;
                co_await asio::async_read(
                    child.terminal(), asio::dynamic_buffer(text), asio::redirect_error(asio::use_awaitable, ec));
                co_await child.async_wait();
            }(outputs[closed]));
        }
        for (unsigned closed = 0; closed < 8; ++closed) {
            CAPTURE(closed);
            CHECK(outputs[closed] == "yes yes yes 24x80");
        }
    });
}

TEST_CASE("terminal: the parent has one end, nonblocking and close-on-exec")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        asio::io_context context;
        // The first spawn opens the descriptors of the context.
        auto const first = brood::spawn(context, on_terminal(config, "pause")).value();
        auto const before = open_descriptors().size();
        auto child = brood::spawn(context, on_terminal(config, "pause")).value();
        std::size_t const pidfds = child.native_handle() >= 0 ? 1 : 0;
        CHECK(open_descriptors().size() == before + pidfds + 1);
        int const end = child.terminal().native_handle();
        CHECK((::fcntl(end, F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(end, F_GETFD) & FD_CLOEXEC) != 0);
    });
}

TEST_CASE("terminal: a failed spawn closes it")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        asio::io_context context;
        auto const spawn_error = [&](command cmd) {
            return brood::spawn(context, cmd.backend(config.backend).terminal()).error();
        };
        CHECK(stage_of(spawn_error(command("/nowhere"))) == spawn_stage::exec);
        CHECK(stage_of(spawn_error(command("true").current_dir("/nowhere"))) == spawn_stage::directory);
        CHECK(stage_of(spawn_error(command("true").out(stdio::fd(777)))) == spawn_stage::stdio);
        CHECK(spawn_error(command("true").process_group()) == std::errc::invalid_argument);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("terminal: fails cleanly at the descriptor limit")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        asio::io_context context;
        // The first spawn opens the descriptors of the context.
        (void)brood::spawn(context, on_terminal(config, "exit", "0")).value().wait();
        int const lowest_free = ::fcntl(2, F_DUPFD_CLOEXEC, 3);
        ::close(lowest_free);
        std::vector<error_code> errors;
        auto const most = open_descriptors().size() + 20; // those in use may have higher numbers
        for (bool failed = true; failed;) {
            rlimit before{};
            ::getrlimit(RLIMIT_NOFILE, &before);
            rlimit const lowered{static_cast<rlim_t>(lowest_free) + errors.size(), before.rlim_max};
            ::setrlimit(RLIMIT_NOFILE, &lowered);
            auto const child = brood::spawn(context, on_terminal(config, "exit", "0"));
            ::setrlimit(RLIMIT_NOFILE, &before);
            failed = !child && errors.size() < most;
            if (failed)
                errors.push_back(child.error());
        }
        REQUIRE(errors.size() >= 2);
        CHECK(errors.size() < most);
        for (auto const& ec : errors)
            CHECK(ec == std::errc::too_many_files_open);
        CHECK(stage_of(errors[0]) == spawn_stage::terminal);
        CHECK(stage_of(errors[1]) == spawn_stage::terminal);
    });
}

TEST_CASE("terminal: posix_spawn, exec and async_run do not support it")
{
    leak_check const leaks;
    asio::io_context context;
    auto const posix_spawn_error =
        brood::spawn(context, on_terminal({spawn_backend::posix_spawn, exit_watcher::automatic}, "exit", "0")).error();
    CHECK(posix_spawn_error == std::errc::not_supported);

    auto const exec_error = brood::exec(command("true").terminal());
    CHECK(exec_error == std::errc::invalid_argument);
    CHECK(exec_error == errc::unexpected_pipe);

    error_code run_error;
    brood::async_run(context, command("true").terminal(), [&](error_code ec, exit_status) { run_error = ec; });
    context.run();
    CHECK(run_error == std::errc::invalid_argument);
    CHECK(run_error == errc::unexpected_pipe);
}

TEST_CASE("controlling_terminal: all streams that are not set are the terminal, which the parent keeps")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        auto const ends = os::open_terminal({5, 70}).value();
        auto cmd = probe(config, "terminal").reset_signals().controlling_terminal(ends.second.get());
        CHECK(output_of_now(cmd) == "yes no yes 5x70"); // output_of_now pipes standard output
        CHECK(output_of_now(command(cmd).in(stdio::null()).err(stdio::null())) == "no no no 5x70");
        CHECK(os::is_terminal(ends.second.get()));

        auto owner = os::open_terminal({6, 80}).value();
        asio::io_context context;
        auto child = spawn(context, probe(config, "terminal").controlling_terminal(owner.second.get())).value();
        owner.second.reset(); // borrowed until the call returned
        CHECK(child.wait().value().success());
        char text[64] = {};
        CHECK(::read(owner.first.get(), text, sizeof text - 1) > 0);
        CHECK(std::string(text) == "yes yes yes 6x80");
    });
}

TEST_CASE("controlling_terminal: the descriptor may be closed once async_spawn has returned")
{
    for_each(terminal_configs(), [&](backend_config const& config) -> asio::awaitable<void> {
        auto owner = os::open_terminal({6, 80}).value();
        auto const ex = co_await asio::this_coro::executor;
        child_group group(ex, group_options().max_running(1));
        for (int i = 0; i < 2; ++i) // the second one is queued
            group.async_spawn(
                probe(config, "terminal").controlling_terminal(owner.second.get()),
                [](error_code ec, auto&&...) { CHECK(!ec.failed()); });
        owner.second.reset();
        CHECK((co_await group.async_next()).status.success());
        CHECK((co_await group.async_next()).status.success());
    });
}

TEST_CASE("controlling_terminal: a descriptor that is closed, no terminal or in use is an error")
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        auto const error_with = [&](int fd) { return failure_of(probe(config, "exit", "0").controlling_terminal(fd)); };
        auto const pipe = os::make_pipe().value();
        CHECK(error_with(-1) == make_error_code(spawn_stage::terminal, EBADF));
        CHECK(error_with(777) == make_error_code(spawn_stage::terminal, EBADF));
        CHECK(error_with(pipe.first.get()) == make_error_code(spawn_stage::terminal, ENOTTY));

        auto const ends = os::open_terminal({24, 80}).value();
        auto const cmd = probe(config, "pause").controlling_terminal(ends.second.get());
        CHECK(failure_of(command(cmd).terminal()) == std::errc::invalid_argument);
        CHECK(failure_of(command(cmd).process_group()) == std::errc::invalid_argument);
        CHECK(failure_of(command(cmd).foreground()) == std::errc::invalid_argument);
        asio::io_context context;
        auto const owner = spawn(context, cmd).value();
        CHECK(spawn(context, cmd).error() == make_error_code(spawn_stage::terminal, EPERM));
    });
    backend_config const posix_spawn{spawn_backend::posix_spawn, exit_watcher::automatic};
    auto const ends = os::open_terminal({24, 80}).value();
    CHECK(
        failure_of(probe(posix_spawn, "exit", "0").controlling_terminal(ends.second.get())) ==
        std::errc::not_supported);
}

TEST_CASE("controlling_terminal: exec takes this process to it")
{
    auto const ends = os::open_terminal({9, 90}).value();
    forked process([&] {
        (void)exec(command(probe_path(), "terminal").controlling_terminal(ends.second.get()));
        return false;
    });
    CHECK(process.succeeds());
    char text[64] = {};
    CHECK(::read(ends.first.get(), text, sizeof text - 1) > 0);
    CHECK(std::string(text) == "yes yes yes 9x90");
}

TEST_CASE("terminal: concurrent spawns do not inherit it" * needs_threads())
{
    for_each(terminal_configs(), [&](backend_config const& config) {
        beside_other_spawns(on_terminal(config, "pause"), [&](asio::any_io_executor ex) -> asio::awaitable<void> {
            auto child = brood::spawn(ex, on_terminal(config, "write", "1", "mine")).value();
            CHECK(co_await read_all(child.terminal()) == "mine");
            co_await child.async_wait();
        });
    });
}

TEST_SUITE_END();
