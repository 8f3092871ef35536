// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// Calls exec in a fork of this process. Returns its exit status: 120 if exec has failed.
exit_status exec_in_fork(command const& cmd)
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

TEST_CASE("exec: replaces this process as the command describes")
{
    scratch_folder folder;
    command cmd(probe_path(), "arguments", "a", "");
    cmd.out(stdio::file(folder.path("out"), open_mode::write)).current_dir("/");
    CHECK(exec_in_fork(cmd).success());
    using namespace std::string_literals;
    CHECK(folder.read("out") == "a\0\0"s);

    command directory(probe_path(), "directory");
    CHECK(exec_in_fork(directory.out(stdio::file(folder.path("out"), open_mode::write)).current_dir("/")).success());
    CHECK(folder.read("out") == "/");
}

TEST_CASE("exec: returns only a failure, with its stage")
{
    leak_check const leaks; // exec must not close descriptors of this process
    auto const missing = exec(command("/nowhere"));
    CHECK(missing == std::errc::no_such_file_or_directory);
    CHECK(stage_of(missing) == spawn_stage::exec);
    auto const nowhere = exec(command("true").current_dir("/nowhere"));
    CHECK(stage_of(nowhere) == spawn_stage::directory);
    CHECK(exec(command("")) == errc::empty_program);
    CHECK(exec(command("true").in(stdio::piped())) == std::errc::invalid_argument);
}

TEST_SUITE_END();
