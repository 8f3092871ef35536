// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/background_reaper.hpp"
#include "support/support.hpp"
#include "support/system.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// The status of each other thread of this process. Empty if the system does not say.
std::vector<std::string> status_of_other_threads()
{
    std::vector<std::string> all;
    std::error_code error;
    for (auto const& thread : std::filesystem::directory_iterator("/proc/self/task", error)) {
        if (thread.path().filename() == std::to_string(system::thread_id()))
            continue;
        std::ostringstream text;
        text << std::ifstream(thread.path() / "status").rdbuf();
        auto const status = text.str();
        if (status.find("Threads:\t0\n") == status.npos) // else it has ended, and the kernel no longer shows its mask
            all.push_back(status);
    }
    return all;
}

// A thread begins with all signals blocked.
bool other_threads_have_begun()
{
    auto const all = status_of_other_threads();
    return std::all_of(
        all.begin(), all.end(), [](auto const& status) { return status.find("State:\tS") != status.npos; });
}

void check_that_other_threads_block_signals()
{
    std::vector<unsigned long long> masks;
    for (auto const& status : status_of_other_threads())
        if (auto const at = status.find("SigBlk:\t"); at != status.npos)
            masks.push_back(std::stoull(status.substr(at + 8), nullptr, 16));
    for (auto const mask : masks)
        for (int signal : {SIGHUP, SIGINT, SIGUSR1, SIGALRM, SIGTERM, SIGCHLD, SIGWINCH}) {
            CAPTURE(signal);
            CHECK((mask & 1ULL << (signal - 1)) != 0);
        }
}

} // namespace

TEST_SUITE_BEGIN("threads");

TEST_CASE("threads: the thread that starts a child handles no signal of the application" * needs_threads())
{
    // The thread blocks all signals while it creates a child, but not while it waits for a busy program.
    scratch_folder const folder;
    auto const path = folder.write("program", "#!/bin/sh\n", 0755);
    int const writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    REQUIRE(writer >= 0);
    asio::io_context context;
    std::optional<error_code> error;
    command cmd(path);
    async_spawn(context, cmd.backend(spawn_backend::fork), [&](error_code ec, child) { error = ec; });
    auto const deadline = std::chrono::steady_clock::now() + 60s;
    while (!error && std::chrono::steady_clock::now() < deadline) {
        check_that_other_threads_block_signals();
        context.poll();
    }
    REQUIRE(error);
    CHECK(*error == std::errc::text_file_busy);
    ::close(writer);
}

TEST_CASE("threads: the thread that reaps detached children handles no signal of the application" * needs_threads())
{
    for_each_config([](backend_config const& config) {
        pid_t pid;
        {
            asio::io_context context;
            auto cmd = probe(config, "pause");
            auto detached = spawn(context, cmd.out(stdio::null())).value();
            pid = detached.id();
            detached.detach();
        }
        CHECK(detail::is_reaping_in_background());
        CHECK(eventually(other_threads_have_begun));
        check_that_other_threads_block_signals();
        ::kill(pid, SIGKILL);
    });
}

TEST_SUITE_END();
