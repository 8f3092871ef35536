// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/raw.hpp"
#include "support/ordinary_user.hpp"
#include "support/support.hpp"

#include <cerrno>
#include <climits>
#include <functional>
#include <thread>

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

using setting = std::function<void(command&)>;

error_code refusal_of(command cmd, setting const& set)
{
    set(cmd);
    return failure_of(cmd);
}

// posix_spawn has no words for most attributes.
bool has_words(way const& w) { return w.backend != spawn_backend::posix_spawn; }

int some_processor()
{
    cpu_set_t set;
    REQUIRE(::sched_getaffinity(0, sizeof set, &set) == 0);
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &set))
        --last;
    return last;
}

} // namespace

TEST_SUITE_BEGIN("attributes");

TEST_CASE("each attribute is seen in the child, or refused by a backend that has no words for it")
{
    auto const text = [](int n) { return std::to_string(n); };
    int const niceness = ::getpriority(PRIO_PROCESS, 0);
    int const processor = some_processor();
    struct {
        char const* name;
        setting set;
        std::vector<std::string> ask;
        std::string answer;
        std::optional<spawn_stage> linux_alone = {}; // the stage that says so elsewhere
    } const rows[] = {
        {"umask", [](command& c) { c.umask(027); }, {"umask"}, text(027)},
        {"no umask", [](command& c) { c.umask(0); }, {"umask"}, "0"},
        {"limit", [](command& c) { c.limit(RLIMIT_NOFILE, 64, 100); }, {"limit", text(RLIMIT_NOFILE)}, "64 100"},
        {"limits",
         [](command& c) { c.limit(RLIMIT_CPU, 50, 60).limit(RLIMIT_CORE, 0, 0); },
         {"limit", text(RLIMIT_CPU)},
         "50 60"},
        {"a limit changed again",
         [](command& c) { c.limit(RLIMIT_CPU, 50, 60).limit(RLIMIT_CPU, 40, 55); },
         {"limit", text(RLIMIT_CPU)},
         "40 55"},
        {"nice", [](command& c) { c.nice(1); }, {"nice"}, text(std::min(niceness + 1, 19))},
        {"nice beyond its range", [](command& c) { c.nice(1000); }, {"nice"}, "19"},
        {"nice beyond all", [](command& c) { c.nice(INT_MAX); }, {"nice"}, "19"},
        {"affinity",
         [&](command& c) { c.affinity({processor}); },
         {"status", "Cpus_allowed_list"},
         text(processor),
         spawn_stage::limits},
        {"affinity, partly to what is not there",
         [&](command& c) {
             c.affinity({processor, 8000});
         },
         {"status", "Cpus_allowed_list"},
         text(processor),
         spawn_stage::limits},
        {"parent-death signal",
         [](command& c) { c.parent_death_signal(SIGUSR2); },
         {"death-signal"},
         text(SIGUSR2),
         spawn_stage::limits},
        {"no new privileges",
         [](command& c) { c.no_new_privileges(); },
         {"status", "NoNewPrivs"},
         "1",
         spawn_stage::credentials},
    };
    for (auto const& w : all_backends())
        for (auto const& row : rows) {
            CAPTURE(w);
            CAPTURE(row.name);
            command cmd(probe_path(), row.ask);
            cmd.backend(w.backend).reaper(w.reaper);
            if (has_words(w) && (knows_linux() || !row.linux_alone)) {
                row.set(cmd);
                CHECK(output_of_now(cmd) == row.answer);
            } else {
                auto const ec = refusal_of(cmd, row.set);
                CHECK(ec == std::errc::not_supported);
                CHECK(stage_of(ec) == (has_words(w) ? *row.linux_alone : spawn_stage::prepare));
            }
        }
}

TEST_CASE("without attributes the child has its parent's")
{
    auto const mask = ::umask(0);
    ::umask(mask);
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        CHECK(output_of_now(probe(w, "umask")) == std::to_string(mask));
        CHECK(output_of_now(probe(w, "nice")) == std::to_string(::getpriority(PRIO_PROCESS, 0)));
        CHECK(output_of_now(probe(w, "death-signal")) == "0");
    }
}

TEST_CASE("attributes that make no sense are refused, with their stage")
{
    struct {
        char const* name;
        setting set;
        spawn_stage stage;
    } const rows[] = {
        {"limit on nothing", [](command& c) { c.limit(99, 1, 1); }, spawn_stage::limits},
        {"limit on less than nothing", [](command& c) { c.limit(-1, 1, 1); }, spawn_stage::limits},
        {"soft above hard", [](command& c) { c.limit(RLIMIT_NOFILE, 50, 40); }, spawn_stage::limits},
        {"no processor", [](command& c) { c.affinity({-1}); }, spawn_stage::limits},
        {"a processor that is not there", [](command& c) { c.affinity({8000}); }, spawn_stage::limits},
        {"one that never was", [](command& c) { c.affinity({INT_MAX}); }, spawn_stage::limits},
        {"death signal 0", [](command& c) { c.parent_death_signal(0); }, spawn_stage::limits},
        {"death signal 99", [](command& c) { c.parent_death_signal(99); }, spawn_stage::limits},
        {"death signal -1", [](command& c) { c.parent_death_signal(-1); }, spawn_stage::limits},
        {"mask of no signal", [](command& c) { c.signal_mask({0}); }, spawn_stage::signals},
        {"mask of signal 99",
         [](command& c) {
             c.signal_mask({SIGINT, 99});
         },
         spawn_stage::signals},
        {"session and group", [](command& c) { c.session().process_group(); }, spawn_stage::prepare},
        {"session and a leader", [](command& c) { c.process_group(::getpid()).session(); }, spawn_stage::prepare},
        {"a negative leader", [](command& c) { c.process_group(-1); }, spawn_stage::prepare},
    };
    for (auto const& w : all_backends())
        for (auto const& row : rows) {
            CAPTURE(w);
            CAPTURE(row.name);
            auto const ec = refusal_of(probe(w, "exit", "0"), row.set);
            if (ec == std::errc::not_supported) {
                CHECK((!has_words(w) || !knows_linux()));
            } else {
                CHECK(ec == std::errc::invalid_argument);
                CHECK(stage_of(ec) == row.stage);
            }
        }
}

TEST_CASE("what only the privileged may raise is refused to others")
{
    ordinary_user const user;
    if (!user) {
        MESSAGE("skipped: there are no ordinary users here");
        return;
    }
    for (auto const& w : all_backends()) {
        if (!has_words(w))
            continue;
        CAPTURE(w);
        auto const louder = refusal_of(probe(w, "exit", "0"), [](command& c) { c.nice(-1); });
        CHECK(louder == std::errc::permission_denied);
        CHECK(stage_of(louder) == spawn_stage::limits);
        auto const more = refusal_of(
            probe(w, "exit", "0"), [](command& c) { c.limit(RLIMIT_CORE, 0, 0).limit(RLIMIT_CORE, 0, RLIM_INFINITY); });
        CHECK(more == std::errc::operation_not_permitted);
        CHECK(stage_of(more) == spawn_stage::limits);
    }
}

TEST_CASE("the parent-death signal comes when the thread that spawned ends" * needs_threads())
{
    if (!knows_linux()) {
        MESSAGE("skipped: Linux alone");
        return;
    }
    for (auto const& w : all_ways()) {
        if (!has_words(w))
            continue;
        CAPTURE(w);
        asio::io_context context;
        std::optional<child> c;
        std::thread([&] {
            auto cmd = probe(w, "pause");
            c = spawn(context, cmd.out(stdio::null()).parent_death_signal(SIGUSR1)).value();
        }).join();
        CHECK(c->wait().value().signal() == SIGUSR1);
    }
}

TEST_CASE("a child whose parent has gone already does not wait for its death")
{
    if (!knows_linux()) {
        MESSAGE("skipped: Linux alone");
        return;
    }
    pid_t const pid = ::fork();
    if (pid == 0)
        ::_exit(-os::raw::set_death_signal(SIGTERM, ::getpid())); // nobody is their own parent
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(exit_status::from_raw(status).code() == ESRCH);
}

TEST_CASE("by exec, the parent is this process's own")
{
    if (!knows_linux()) {
        MESSAGE("skipped: Linux alone");
        return;
    }
    scratch_folder folder;
    command cmd(probe_path(), "death-signal");
    cmd.out(stdio::file(folder.path("told"), open_mode::write)).parent_death_signal(SIGUSR2);
    pid_t const pid = ::fork();
    if (pid == 0) {
        (void)exec(cmd);
        ::_exit(120);
    }
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    CHECK(folder.read("told") == std::to_string(SIGUSR2));
}

TEST_SUITE_END();
