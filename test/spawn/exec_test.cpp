// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/forked.hpp"
#include "support/support.hpp"

#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
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

TEST_CASE("exec: applies the environment and calls the hooks")
{
    scratch_folder folder;
    auto const out = [&] { return stdio::file(folder.path("out"), open_mode::write); };
    command environment(probe_path(), "environment");
    environment.env_clear().env("A", "b").env("C", "d").env_remove("C").out(out());
    CHECK(exec_in_fork(environment).success());
    CHECK(folder.read("out") == std::string("A=b\0", 4));

    command hooked(probe_path(), "umask");
    hooked.out(out()).pre_exec([] { return ::umask(0123), error_code(); });
    CHECK(exec_in_fork(hooked).success());
    CHECK(folder.read("out") == std::to_string(0123));
}

TEST_CASE("exec: keeps the blocked signals, except if the command sets or resets them")
{
    scratch_folder const folder;
    auto const blocked_after = [&](command cmd) {
        cmd.args({"status", "SigBlk"}).out(stdio::file(folder.path("out"), open_mode::write));
        return exec_in_fork(cmd).success() ? folder.read("out") : "failed";
    };
    auto const bit = [](int signal) {
        std::string text(16, '0');
        text[15 - static_cast<std::size_t>(signal - 1) / 4] = "1248"[(signal - 1) % 4];
        return text;
    };
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    ::pthread_sigmask(SIG_SETMASK, &blocked, &before);
    auto const kept = blocked_after(command(probe_path()));
    auto const replaced = blocked_after(command(probe_path()).signal_mask({SIGUSR2}));
    auto const reset = blocked_after(command(probe_path()).reset_signals());
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    CHECK(kept == bit(SIGUSR1));
    CHECK(replaced == bit(SIGUSR2));
    CHECK(reset == std::string(16, '0'));
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

TEST_CASE("exec: after a failure the process is as it was")
{
    leak_check const leaks;
    scratch_folder folder;
    auto const not_a_program = folder.write("plain", "text", 0755);
    int const inheritable = ::open("/dev/null", O_RDONLY);
    auto const ignored_before = ::signal(SIGPIPE, SIG_IGN);
    auto const directory = std::filesystem::current_path();
    mode_t const mask = ::umask(022);
    command cmd(not_a_program);
    cmd.current_dir("/").umask(0123).signal_mask(SIGUSR1).reset_signals();
    CHECK(exec(cmd) == std::errc::executable_format_error);
    CHECK(std::filesystem::current_path() == directory);
    CHECK(::umask(mask) == 022);
    bool const still_ignored = ::signal(SIGPIPE, ignored_before) == SIG_IGN;
    CHECK(still_ignored);
    CHECK(::fcntl(inheritable, F_GETFD) == 0);
    ::close(inheritable);
}

TEST_CASE("exec: after a failure, the credentials of all threads can be changed" * needs_threads())
{
    forked copy([] {
        std::thread other([] { pause_for_ever(); });
        other.detach();
        auto const error = exec(command("/nowhere").reset_signals());
        return error == std::errc::no_such_file_or_directory && ::setgid(::getgid()) == 0; // libc signals every thread
    });
    CHECK(copy.succeeds());
}

TEST_SUITE_END();
