// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// Replaces a copy of this process, and tells how that ended; 120 where exec came back.
exit_status in_a_copy(command const& cmd)
{
    pid_t const pid = ::fork();
    if (pid == 0) {
        (void)exec(cmd);
        ::_exit(120);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return exit_status::from_raw(status);
}

} // namespace

TEST_SUITE_BEGIN("exec");

TEST_CASE("exec replaces the process, with all that the command says")
{
    scratch_folder folder;
    command cmd(probe_path(), "arguments", "a", "");
    cmd.out(stdio::file(folder.path("told"), open_mode::write)).current_dir("/");
    CHECK(in_a_copy(cmd).success());
    using namespace std::string_literals;
    CHECK(folder.read("told") == "a\0\0"s);

    command where(probe_path(), "directory");
    CHECK(in_a_copy(where.out(stdio::file(folder.path("told"), open_mode::write)).current_dir("/")).success());
    CHECK(folder.read("told") == "/");
}

TEST_CASE("exec returns only with a failure, and its stage")
{
    leaves_nothing guard; // all that was open still is
    auto const missing = exec(command("/nowhere"));
    CHECK(missing == std::errc::no_such_file_or_directory);
    CHECK(stage_of(missing) == spawn_stage::exec);
    auto const nowhere = exec(command("true").current_dir("/nowhere"));
    CHECK(stage_of(nowhere) == spawn_stage::directory);
    CHECK(exec(command("")) == errc::empty_program);
    CHECK(exec(command("true").in(stdio::piped())) == std::errc::invalid_argument);
}

TEST_SUITE_END();
