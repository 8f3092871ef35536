// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/cgroup_folder.hpp"
#include "support/ordinary_user.hpp"
#include "support/support.hpp"

#include <fcntl.h>
#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

error_code refusal(way const& w, std::string const& folder)
{
    auto cmd = probe(w, "exit", "0");
    return failure_of(cmd.cgroup(folder));
}

} // namespace

TEST_SUITE_BEGIN("cgroup");

TEST_CASE("a child is born in its cgroup")
{
    cgroup_folder folder;
    if (!folder)
        return;
    auto ways = all_ways();
    ways.push_back({spawn_backend::automatic, exit_reaper::automatic});
    for (auto const& w : ways) {
        CAPTURE(w);
        if (!knows_cgroups(w))
            continue;
        leaves_nothing guard;
        auto tell = probe(w, "cgroup");
        CHECK(output_of_now(tell.cgroup(folder.path())).ends_with(folder.name()));
        auto list = probe(w, "descriptors"); // of which the folder is none
        CHECK(output_of_now(list.cgroup(folder.path())) == "0 1 2 ");
    }
}

TEST_CASE("a hook runs inside already, and so does another user's program")
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

TEST_CASE("exec takes the process itself into the cgroup")
{
    cgroup_folder folder;
    if (!folder)
        return;
    scratch_folder place;
    command cmd(probe_path(), "cgroup");
    cmd.out(stdio::file(place.path("told"), open_mode::write)).cgroup(folder.path());
    pid_t const pid = ::fork();
    if (pid == 0) {
        (void)exec(cmd);
        ::_exit(120);
    }
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    CHECK(place.read("told").ends_with(folder.name()));
}

TEST_CASE("what is no cgroup v2 folder is refused with stage cgroup")
{
    scratch_folder plain;
    plain.write("file", "");
    struct {
        std::string path;
        std::errc why;
    } const rows[] = {
        {plain.path("missing"), std::errc::no_such_file_or_directory},
        {"", std::errc::no_such_file_or_directory},
        {plain.path("file"), std::errc::not_a_directory},
        {plain.path(), std::errc::invalid_argument},
    };
    for (auto const& w : all_ways())
        for (auto const& row : rows) {
            CAPTURE(w);
            CAPTURE(row.path);
            auto const ec = refusal(w, row.path);
            CHECK(stage_of(ec) == spawn_stage::cgroup);
            CHECK(ec == (knows_linux() ? row.why : std::errc::not_supported));
        }
    CHECK(refusal(all_ways().front(), std::string("a\0b", 3)) == errc::nul_byte);
}

TEST_CASE("a way that can't put a child into a cgroup says so, and no child is born elsewhere")
{
    cgroup_folder folder;
    if (!folder)
        return;
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        if (knows_cgroups(w))
            continue;
        auto const ec = refusal(w, folder.path());
        if (w.backend == spawn_backend::posix_spawn) {
            CHECK(ec == std::errc::not_supported);
            CHECK(stage_of(ec) == spawn_stage::prepare);
        } else {
            CHECK(stage_of(ec) == spawn_stage::cgroup);
        }
    }
}

TEST_CASE("a cgroup that takes no processes is told as such")
{
    // One below a threaded one, which is not threaded itself, is invalid.
    cgroup_folder folder;
    if (!folder)
        return;
    auto const inner = folder.path() + "/inner";
    REQUIRE(::mkdir(inner.c_str(), 0755) == 0);
    std::ofstream(folder.path() + "/cgroup.type") << "threaded";
    for (auto const& w : all_ways())
        if (knows_cgroups(w)) {
            CAPTURE(w);
            auto const ec = refusal(w, inner);
            CHECK(ec == std::errc::operation_not_supported);
            CHECK(stage_of(ec) == spawn_stage::cgroup);
        }
    ::rmdir(inner.c_str());
}

TEST_SUITE_END();
