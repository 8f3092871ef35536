// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/beside_other_spawns.hpp"
#include "support/on_terminal.hpp"
#include "support/standard_streams.hpp"
#include "support/support.hpp"

#include <array>

#include <fcntl.h>
#include <sys/resource.h>

using namespace brood;
using namespace test;

namespace {

// What a child on a terminal tells before it ends well.
std::string told_by(command const& cmd)
{
    std::string told;
    run([](command c, std::string& text) -> asio::awaitable<void> {
        auto child = brood::spawn(co_await asio::this_coro::executor, c).value();
        text = co_await read_all(child.terminal());
        CHECK((co_await child.async_wait()).success());
    }(cmd, told));
    return told;
}

} // namespace

TEST_SUITE_BEGIN("launch on a terminal");

TEST_CASE("all three streams lead to a new controlling terminal of the size asked for")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        CHECK(told_by(on_terminal(w, "terminal")) == "yes yes yes 24x80");
        CHECK(told_by(on_terminal(w, "terminal").terminal({5, 300})) == "yes yes yes 5x300");
        CHECK(told_by(on_terminal(w, "terminal").session()) == "yes yes yes 24x80");
        CHECK(told_by(on_terminal(w, "terminal").inherit_fds(true)) == "yes yes yes 24x80");
        CHECK(told_by(on_terminal(w, "descriptors")) == "0 1 2 ");
    }
}

TEST_CASE("the child leads a session, and a group that stop plans reach")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto child = brood::spawn(ex, on_terminal(by, "family")).value();
            auto const grandchild = std::stoi(co_await read_line(child.terminal()));
            CHECK(::getsid(child.id()) == child.id());
            CHECK(::getpgid(grandchild) == child.id());
            stop_plan const at_once(SIGKILL, 1s);
            CHECK((co_await child.async_stop(at_once)).signal() == SIGKILL);
            CHECK(eventually([&] { return !is_alive(grandchild); }));
        }(w));
    }
}

TEST_CASE("a stream that is set otherwise stays so")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto piped = on_terminal(w, "terminal");
        CHECK(output_of_now(piped) == "yes no yes 24x80"); // output_of pipes it
        CHECK(output_of_now(piped.in(stdio::null())) == "no no yes 24x80");
        // None left: it is the controlling terminal all the same.
        CHECK(output_of_now(piped.err(stdio::null())) == "no no no 24x80");

        auto same = on_terminal(w, "terminal");
        CHECK(told_by(same.err(stdio::same_as(1)).in(stdio::same_as(2))) == "yes yes yes 24x80");

        scratch_folder folder;
        auto const file = folder.write("in", "");
        std::string told;
        {
            int const in = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
            standard_streams replaced(in, 1, 2);
            told = told_by(on_terminal(w, "terminal").in(stdio::inherit()));
            ::close(in);
        }
        CHECK(told == "no yes yes 24x80");
    }
}

TEST_CASE("a mapping may have any number that the terminal has in the parent")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto cmd = on_terminal(w, "terminal");
        for (int fd = 3; fd < 30; ++fd)
            cmd.fd(fd, fd % 2 ? stdio::null() : stdio::same_as(0));
        CHECK(told_by(cmd) == "yes yes yes 24x80");
        CHECK(output_of_now(cmd.in(stdio::null()).err(stdio::null())) == "no no no 24x80");
    }
}

TEST_CASE("a terminal is right with any of the parent's standard streams closed")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        std::array<std::string, 8> told;
        for (unsigned closed = 0; closed < 8; ++closed) {
            standard_streams without(closed);
            run([](way by, std::string& text) -> asio::awaitable<void> {
                auto child = brood::spawn(co_await asio::this_coro::executor, on_terminal(by, "terminal")).value();
                error_code end;
                co_await asio::async_read(
                    child.terminal(), asio::dynamic_buffer(text), asio::redirect_error(asio::use_awaitable, end));
                co_await child.async_wait();
            }(w, told[closed]));
        }
        for (unsigned closed = 0; closed < 8; ++closed) {
            CAPTURE(closed);
            CHECK(told[closed] == "yes yes yes 24x80");
        }
    }
}

TEST_CASE("the parent keeps its own end alone, which neither blocks nor is handed on")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto const first = brood::spawn(context, on_terminal(w, "pause")).value(); // what the loop opens is open
        auto const before = open_descriptors().size();
        auto child = brood::spawn(context, on_terminal(w, "pause")).value();
        std::size_t const pidfds = child.native_handle() >= 0 ? 1 : 0;
        CHECK(open_descriptors().size() == before + pidfds + 1);
        int const end = child.terminal().native_handle();
        CHECK((::fcntl(end, F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(end, F_GETFD) & FD_CLOEXEC) != 0);
    }
}

TEST_CASE("a failed spawn leaves nothing of a terminal")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto const told = [&](command cmd) { return brood::spawn(context, cmd.backend(w.backend).terminal()).error(); };
        CHECK(stage_of(told(command("/nowhere"))) == spawn_stage::exec);
        CHECK(stage_of(told(command("true").current_dir("/nowhere"))) == spawn_stage::directory);
        CHECK(stage_of(told(command("true").out(stdio::fd(777)))) == spawn_stage::stdio);
        CHECK(told(command("true").process_group()) == std::errc::invalid_argument);
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("without descriptors to spare a terminal is refused, and nothing is left")
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        (void)brood::spawn(context, on_terminal(w, "exit", "0")).value().wait(); // what the loop opens is open
        int const free = ::fcntl(2, F_DUPFD_CLOEXEC, 3);
        ::close(free);
        std::vector<error_code> refusals;
        for (bool refused = true; refused;) {
            rlimit before{};
            ::getrlimit(RLIMIT_NOFILE, &before);
            rlimit const tight{static_cast<rlim_t>(free) + refusals.size(), before.rlim_max};
            ::setrlimit(RLIMIT_NOFILE, &tight);
            auto const child = brood::spawn(context, on_terminal(w, "exit", "0"));
            ::setrlimit(RLIMIT_NOFILE, &before);
            refused = !child && refusals.size() < 50;
            if (refused)
                refusals.push_back(child.error());
        }
        REQUIRE(refusals.size() >= 2);
        CHECK(refusals.size() < 20);
        for (auto const& ec : refusals)
            CHECK(ec == std::errc::too_many_files_open);
        CHECK(stage_of(refusals[0]) == spawn_stage::terminal);
        CHECK(stage_of(refusals[1]) == spawn_stage::terminal);
    }
}

TEST_CASE("posix_spawn can't make a terminal, and neither exec nor async_run has a use for one")
{
    leaves_nothing guard;
    asio::io_context context;
    auto const forced =
        brood::spawn(context, on_terminal({spawn_backend::posix_spawn, exit_reaper::automatic}, "exit", "0")).error();
    CHECK(forced == std::errc::not_supported);

    auto const in_place = brood::exec(command("true").terminal());
    CHECK(in_place == std::errc::invalid_argument);
    CHECK(stage_of(in_place) == spawn_stage::terminal);

    error_code run_to_end;
    brood::async_run(context, command("true").terminal(), [&](error_code ec, exit_status) { run_to_end = ec; });
    context.run();
    CHECK(run_to_end == std::errc::invalid_argument);
    CHECK(stage_of(run_to_end) == spawn_stage::terminal);
}

TEST_CASE("two threads that spawn at once never hold each other's terminals open" * needs_threads())
{
    for (auto const& w : terminal_ways()) {
        CAPTURE(w);
        beside_other_spawns(on_terminal(w, "pause"), [&](asio::any_io_executor ex) -> asio::awaitable<void> {
            auto child = brood::spawn(ex, on_terminal(w, "write", "1", "mine")).value();
            CHECK(co_await read_all(child.terminal()) == "mine");
            co_await child.async_wait();
        });
    }
}

TEST_SUITE_END();
