// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/cgroup_folder.hpp"
#include "support/ordinary_user.hpp"
#include "support/support.hpp"

#include <fcntl.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

error_code failure_in(std::string const& cgroup, backend_config const& config)
{
    auto cmd = probe(config, "exit", "0");
    return failure_of(cmd.cgroup(cgroup));
}

} // namespace

TEST_SUITE_BEGIN("cgroup");

TEST_CASE("cgroup: the child starts in it")
{
    cgroup_folder folder;
    if (!folder)
        return;
    auto configs = all_configs();
    configs.push_back({spawn_backend::automatic, exit_watcher::automatic});
    std::erase_if(configs, [](backend_config const& config) { return !knows_cgroups(config); });
    for_each(configs, [&](backend_config const& config) {
        auto member = probe(config, "cgroup");
        CHECK(output_of_now(member.cgroup(folder.path())).ends_with(folder.name()));
        auto lister = probe(config, "descriptors"); // the directory of the cgroup is closed
        CHECK(output_of_now(lister.cgroup(folder.path())) == "0 1 2 ");
    });
}

TEST_CASE("cgroup: pre_exec hooks and programs of other users run in it")
{
    cgroup_folder folder;
    if (!folder || ::geteuid() != 0)
        return;
    public_folder const program;
    command cmd(program.program(), "cgroup");
    cmd.cgroup(folder.path()).user(1234).pre_exec([] {
        char text[4096]{};
        int const fd = ::open("/proc/self/cgroup", O_RDONLY);
        (void)!::read(fd, text, sizeof text - 1);
        ::close(fd);
        bool const inside = std::string_view(text).find("0::/brood-test-") != std::string_view::npos;
        return inside ? error_code() : error_code(EDOM, boost::system::system_category());
    });
    CHECK(output_of_now(cmd).ends_with(folder.name()));
}

TEST_CASE("cgroup: exec moves this process into it")
{
    cgroup_folder folder;
    if (!folder)
        return;
    scratch_folder results;
    command cmd(probe_path(), "cgroup");
    cmd.out(stdio::file(results.path("out"), open_mode::write)).cgroup(folder.path());
    pid_t const pid = ::fork();
    if (pid == 0) {
        (void)exec(cmd);
        ::_exit(120);
    }
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    CHECK(results.read("out").ends_with(folder.name()));
}

TEST_CASE("cgroup: a path that is not a cgroup v2 directory fails with stage cgroup")
{
    scratch_folder plain;
    plain.write("file", "");
    struct {
        std::string path;
        std::errc error;
    } const rows[] = {
        {plain.path("missing"), std::errc::no_such_file_or_directory},
        {"", std::errc::no_such_file_or_directory},
        {plain.path("file"), std::errc::not_a_directory},
        {plain.path(), std::errc::invalid_argument},
    };
    for_each_config([&](backend_config const& config) {
        for (auto const& row : rows) {
            CAPTURE(row.path);
            auto const ec = failure_in(row.path, config);
            CHECK(stage_of(ec) == spawn_stage::cgroup);
            CHECK(ec == (knows_linux() ? row.error : std::errc::not_supported));
        }
    });
    CHECK(failure_in(std::string("a\0b", 3), all_configs().front()) == errc::nul_byte);
}

TEST_CASE("cgroup: a child can be started in a cgroup that has been killed before")
{
    auto configs = all_configs();
    configs.push_back({spawn_backend::automatic, exit_watcher::automatic});
    std::erase_if(configs, [](backend_config const& config) { return !knows_cgroups(config); });
    for_each(configs, [&](backend_config const& config) {
        cgroup_folder folder;
        if (!folder)
            return;
        asio::io_context context;
        auto cmd = probe(config, "exit", "3").cgroup(folder.path());
        CHECK(spawn(context, cmd).has_value());
        auto child = spawn(context, probe(config, "pause").out(stdio::null()).cgroup(folder.path()));
        if (child)
            CHECK(child.value().kill_tree());
        child = spawn(context, cmd); // some kernels kill what is cloned into such a cgroup
        bool const is_refused = !child && config.backend == spawn_backend::vfork;
        if (is_refused)
            CHECK(stage_of(child.error()) == spawn_stage::cgroup);
        else
            CHECK(child.value().wait().value().code() == 3);
        std::optional<error_code> result;
        async_run(context, cmd, [&](error_code error, exit_status) { result = error; });
        context.run_for(60s);
        CHECK(result.value().failed() == is_refused);
    });
}

TEST_CASE("cgroup: a backend without support fails and leaves no child")
{
    cgroup_folder folder;
    if (!folder)
        return;
    for_each_config([&](backend_config const& config) {
        if (knows_cgroups(config))
            return;
        auto const ec = failure_in(folder.path(), config);
        if (config.backend == spawn_backend::posix_spawn) {
            CHECK(ec == std::errc::not_supported);
            CHECK(stage_of(ec) == spawn_stage::prepare);
        } else {
            CHECK(stage_of(ec) == spawn_stage::cgroup);
        }
    });
}

TEST_CASE("cgroup: a cgroup that accepts no processes fails with operation_not_supported")
{
    // A cgroup is invalid if it is not threaded and its parent is.
    cgroup_folder folder;
    if (!folder)
        return;
    auto const inner = folder.path() + "/inner";
    REQUIRE(::mkdir(inner.c_str(), 0755) == 0);
    std::ofstream(folder.path() + "/cgroup.type") << "threaded";
    for_each_config([&](backend_config const& config) {
        if (!knows_cgroups(config))
            return;
        auto const ec = failure_in(inner, config);
        CHECK(ec == std::errc::operation_not_supported);
        CHECK(stage_of(ec) == spawn_stage::cgroup);
    });
    ::rmdir(inner.c_str());
}

TEST_SUITE_END();
