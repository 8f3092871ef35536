// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/raw.hpp"
#include "support/deny_syscalls.hpp"
#include "support/ordinary_user.hpp"
#include "support/support.hpp"
#include "support/system.hpp"

#include <cerrno>
#include <climits>
#include <filesystem>
#include <functional>
#include <thread>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

using setter = std::function<void(command&)>;

// The error of a spawn that must fail because of an attribute.
error_code failure_with(command cmd, setter const& set)
{
    set(cmd);
    return failure_of(cmd);
}

// posix_spawn(3) supports hardly any attribute.
bool supports_attributes(backend_config const& config) { return config.backend != spawn_backend::posix_spawn; }

} // namespace

TEST_SUITE_BEGIN("attributes");

TEST_CASE("attributes: the child has each attribute that the backend supports")
{
    auto const text = [](int n) { return std::to_string(n); };
    int const niceness = ::getpriority(PRIO_PROCESS, 0);
    int const processor = system::last_processor();
    REQUIRE((processor >= 0 || !knows_linux()));
    struct {
        char const* name;
        setter set;
        std::vector<std::string> probe_arguments;
        std::string expected;
        std::optional<spawn_stage> linux_only = {}; // the stage that fails on other systems
    } const rows[] = {
        {"umask", [](command& c) { c.umask(027); }, {"umask"}, text(027)},
        {"umask 0", [](command& c) { c.umask(0); }, {"umask"}, "0"},
        {"limit", [](command& c) { c.limit(RLIMIT_NOFILE, 64, 100); }, {"limit", text(RLIMIT_NOFILE)}, "64 100"},
        {"two limits",
         [](command& c) { c.limit(RLIMIT_CPU, 50, 60).limit(RLIMIT_CORE, 0, 0); },
         {"limit", text(RLIMIT_CPU)},
         "50 60"},
        {"limit above 4 GiB",
         [](command& c) { c.limit(RLIMIT_FSIZE, rlim_t(5) << 30, rlim_t(6) << 30); },
         {"limit", text(RLIMIT_FSIZE)},
         "5368709120 6442450944"},
        {"no limit",
         [](command& c) { c.limit(RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY); },
         {"limit", text(RLIMIT_FSIZE)},
         std::to_string(RLIM_INFINITY) + " " + std::to_string(RLIM_INFINITY)},
        {"limit set twice",
         [](command& c) { c.limit(RLIMIT_CPU, 50, 60).limit(RLIMIT_CPU, 40, 55); },
         {"limit", text(RLIMIT_CPU)},
         "40 55"},
        {"nice", [](command& c) { c.nice(1); }, {"nice"}, text(std::min(niceness + 1, 19))},
        {"nice above 19", [](command& c) { c.nice(1000); }, {"nice"}, "19"},
        {"nice INT_MAX", [](command& c) { c.nice(INT_MAX); }, {"nice"}, "19"},
        {"affinity",
         [&](command& c) { c.affinity({processor}); },
         {"status", "Cpus_allowed_list"},
         text(processor),
         spawn_stage::limits},
        {"affinity that includes a missing processor",
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
    for_each_backend([&](backend_config const& config) {
        for (auto const& row : rows) {
            CAPTURE(row.name);
            command cmd(probe_path(), row.probe_arguments);
            cmd.backend(config.backend).watcher(config.watcher);
            if (supports_attributes(config) && (knows_linux() || !row.linux_only)) {
                row.set(cmd);
                CHECK(output_of_now(cmd) == row.expected);
            } else {
                auto const ec = failure_with(cmd, row.set);
                CHECK(ec == std::errc::not_supported);
                CHECK(stage_of(ec) == (supports_attributes(config) ? *row.linux_only : spawn_stage::prepare));
            }
        }
    });
}

TEST_CASE("attributes: defaults are the parent's")
{
    auto const mask = ::umask(0);
    ::umask(mask);
    for_each_backend([&](backend_config const& config) {
        CHECK(output_of_now(probe(config, "umask")) == std::to_string(mask));
        CHECK(output_of_now(probe(config, "nice")) == std::to_string(::getpriority(PRIO_PROCESS, 0)));
        CHECK(output_of_now(probe(config, "death-signal")) == "0");
    });
}

TEST_CASE("attributes: invalid values fail with the stage that sets them")
{
    struct {
        char const* name;
        setter set;
        spawn_stage stage;
    } const rows[] = {
        {"unknown resource", [](command& c) { c.limit(99, 1, 1); }, spawn_stage::limits},
        {"negative resource", [](command& c) { c.limit(-1, 1, 1); }, spawn_stage::limits},
        {"soft limit above the hard limit", [](command& c) { c.limit(RLIMIT_NOFILE, 50, 40); }, spawn_stage::limits},
        {"negative processor", [](command& c) { c.affinity({-1}); }, spawn_stage::limits},
        {"missing processor", [](command& c) { c.affinity({8000}); }, spawn_stage::limits},
        {"processor INT_MAX", [](command& c) { c.affinity({INT_MAX}); }, spawn_stage::limits},
        {"negative capability", [](command& c) { c.ambient_capabilities({-1}); }, spawn_stage::credentials},
        {"capability 64", [](command& c) { c.ambient_capabilities({64}); }, spawn_stage::credentials},
        {"bounding capability -1", [](command& c) { c.bounding_capabilities(-1); }, spawn_stage::credentials},
        {"bounding capability 64", [](command& c) { c.bounding_capabilities(64); }, spawn_stage::credentials},
        {"ambient capability outside the bounding set",
         [](command& c) { c.ambient_capabilities(0).bounding_capabilities(1); }, spawn_stage::credentials},
        {"empty filter", [](command& c) { c.no_new_privileges().seccomp(std::vector<bpf_instruction>()); },
         spawn_stage::seccomp},
        {"filter that is too long",
         [](command& c) { c.no_new_privileges().seccomp(std::vector<bpf_instruction>(4097)); }, spawn_stage::seccomp},
        {"malformed filter", [](command& c) { c.no_new_privileges().seccomp(std::vector<bpf_instruction>(1)); },
         spawn_stage::seccomp},
        {"death signal 0", [](command& c) { c.parent_death_signal(0); }, spawn_stage::limits},
        {"death signal 99", [](command& c) { c.parent_death_signal(99); }, spawn_stage::limits},
        {"death signal -1", [](command& c) { c.parent_death_signal(-1); }, spawn_stage::limits},
        {"signal mask with signal 0", [](command& c) { c.signal_mask({0}); }, spawn_stage::signals},
        {"signal mask with signal 99",
         [](command& c) {
             c.signal_mask({SIGINT, 99});
         },
         spawn_stage::signals},
        {"session and process group", [](command& c) { c.session().process_group(); }, spawn_stage::prepare},
        {"session and group leader", [](command& c) { c.process_group(::getpid()).session(); }, spawn_stage::prepare},
        {"negative group leader", [](command& c) { c.process_group(-1); }, spawn_stage::prepare},
    };
    bool const has_memory_files = denied_syscalls().find("memfd_create") == std::string_view::npos;
    for_each_backend([&](backend_config const& config) {
        for (auto const& row : rows) {
            CAPTURE(row.name);
            if (row.stage == spawn_stage::seccomp && !has_memory_files)
                continue; // the relay carries out the step
            auto const ec = failure_with(probe(config, "exit", "0"), row.set);
            if (ec == std::errc::not_supported) {
                CHECK((!supports_attributes(config) || !knows_linux()));
            } else {
                CHECK(ec == std::errc::invalid_argument);
                CHECK(stage_of(ec) == row.stage);
            }
        }
    });
}

TEST_CASE("attributes: an ordinary user cannot raise its priority or a hard limit")
{
    ordinary_user const user;
    if (!user) {
        MESSAGE("skipped: this system has no ordinary users");
        return;
    }
    for_each_backend([&](backend_config const& config) {
        if (!supports_attributes(config))
            return;
        auto const niceness_error = failure_with(probe(config, "exit", "0"), [](command& c) { c.nice(-1); });
        CHECK(niceness_error == std::errc::permission_denied);
        CHECK(stage_of(niceness_error) == spawn_stage::limits);
        auto const limit_error = failure_with(probe(config, "exit", "0"), [](command& c) {
            c.limit(RLIMIT_CORE, 0, 0).limit(RLIMIT_CORE, 0, RLIM_INFINITY);
        });
        CHECK(limit_error == std::errc::operation_not_permitted);
        CHECK(stage_of(limit_error) == spawn_stage::limits);
    });
}

TEST_CASE("parent_death_signal: the child is signalled when the spawning thread ends" * needs_threads())
{
    if (!knows_linux()) {
        MESSAGE("skipped: requires Linux");
        return;
    }
    for_each_config([&](backend_config const& config) {
        if (!supports_attributes(config))
            return;
        asio::io_context context;
        std::optional<child> spawned;
        std::thread([&] {
            auto cmd = probe(config, "pause");
            spawned = spawn(context, cmd.out(stdio::null()).parent_death_signal(SIGUSR1)).value();
        }).join();
        CHECK(spawned->wait().value().signal() == SIGUSR1);
    });
}

TEST_CASE("parent_death_signal: fails with ESRCH if the parent has already ended")
{
    if (!knows_linux()) {
        MESSAGE("skipped: requires Linux");
        return;
    }
    pid_t const pid = ::fork();
    if (pid == 0)
        ::_exit(-os::raw::set_death_signal(SIGTERM, ::getpid())); // this process is not its own parent
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(exit_status::from_raw(status).code() == ESRCH);
}

TEST_CASE("parent_death_signal: exec applies it to this process's parent")
{
    if (!knows_linux()) {
        MESSAGE("skipped: requires Linux");
        return;
    }
    scratch_folder folder;
    command cmd(probe_path(), "death-signal");
    cmd.out(stdio::file(folder.path("out"), open_mode::write)).parent_death_signal(SIGUSR2);
    pid_t const pid = ::fork();
    if (pid == 0) {
        (void)exec(cmd);
        ::_exit(120);
    }
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    CHECK(folder.read("out") == std::to_string(SIGUSR2));
}

TEST_CASE("attributes: keep_sigpipe passes the parent's disposition of SIGPIPE on")
{
    for (bool ignored : {false, true}) {
        CAPTURE(ignored);
        auto const before = ::signal(SIGPIPE, ignored ? SIG_IGN : SIG_DFL);
        for_each_backend([&](backend_config const& config) {
            auto const disposition = [&](auto change) {
                auto cmd = probe(config, "signal-action", std::to_string(SIGPIPE));
                change(cmd);
                return output_of_now(cmd);
            };
            CHECK(disposition([](command&) {}) == "default");
            CHECK(disposition([](command& cmd) { cmd.keep_sigpipe(); }) == (ignored ? "ignored" : "default"));
            CHECK(disposition([](command& cmd) {
                      cmd.keep_sigpipe().reset_signals();
                  }) == (ignored ? "ignored" : "default"));
        });
        ::signal(SIGPIPE, before);
    }
}

TEST_CASE("attributes: chroot changes the root before the credentials, and the directory is inside it")
{
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root");
        return;
    }
    scratch_folder folder;
    std::filesystem::create_directories(folder.path("inner/deep"));
    std::filesystem::copy(probe_path(), folder.path("inner/probe"));
    std::filesystem::permissions(
        folder.path(), std::filesystem::perms::others_exec, std::filesystem::perm_options::add);
    for (auto const& config : all_configs()) {
        if (config.backend == spawn_backend::posix_spawn) {
            CHECK(failure_of(probe(config, "directory").chroot("/")) == std::errc::not_supported);
            continue;
        }
        command cmd("/probe", "directory");
        cmd.backend(config.backend).watcher(config.watcher).chroot(folder.path("inner"));
        CHECK(output_of_now(cmd) == "/");
        CHECK(output_of_now(command(cmd).current_dir("deep")) == "/deep");
        CHECK(output_of_now(command(cmd).current_dir("../../deep")) == "/deep");

        auto const outside = failure_of(command(cmd).program(probe_path()));
        CHECK(outside == make_error_code(spawn_stage::exec, ENOENT));
        CHECK(failure_of(command(cmd).chroot("/nowhere")) == make_error_code(spawn_stage::root, ENOENT));
        CHECK(failure_of(command(cmd).current_dir("/inner")) == make_error_code(spawn_stage::directory, ENOENT));
    }
    for_each(credentials_configs(), [&](backend_config const& config) {
        command cmd("/probe", "directory");
        cmd.backend(config.backend).watcher(config.watcher).chroot(folder.path("inner")).user(65534);
        CHECK(output_of_now(cmd) == "/");
    });
}

TEST_SUITE_END();
