// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"
#include "support/forked.hpp"
#include "support/no_descriptors.hpp"
#include "support/support.hpp"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// A process that holds a file open for writing until `close`.
class writing_process {
public:
    explicit writing_process(std::string const& path)
        : process_([&] {
              int const writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
              char byte = writer >= 0 ? 'o' : 'f';
              bool const asked =
                  ::write(ready_.second.get(), &byte, 1) == 1 && ::read(request_.first.get(), &byte, 1) == 1;
              ::close(writer);
              return asked && ::write(ready_.second.get(), "c", 1) == 1;
          })
    {
        char byte = 0;
        REQUIRE(::read(ready_.first.get(), &byte, 1) == 1);
        REQUIRE(byte == 'o');
    }

    // Usable between fork and exec.
    bool close() const noexcept
    {
        char byte;
        return ::write(request_.second.get(), "!", 1) == 1 && ::read(ready_.first.get(), &byte, 1) == 1;
    }

    bool succeeds() { return process_.succeeds(); }

private:
    os::fd_pair request_ = os::make_pipe().value(), ready_ = os::make_pipe().value();
    forked process_;
};

} // namespace

TEST_SUITE_BEGIN("launcher");

TEST_CASE("launcher: spawn tries again if the program is open for writing")
{
    leak_check const leaks;
    scratch_folder const folder;
    auto const path = folder.write("program", "#!/bin/sh\nexit 5\n", 0755);
    writing_process writer(path);
    auto attempts = os::make_pipe().value();
    REQUIRE_FALSE(os::set_non_blocking(attempts.first.get()).failed());
    REQUIRE(::write(attempts.second.get(), "1", 1) == 1);
    asio::io_context context;
    command cmd(path);
    cmd.backend(spawn_backend::fork).pre_exec([&] {
        char byte;
        if (::read(attempts.first.get(), &byte, 1) == 1)
            return error_code(); // the first attempt finds a busy program
        return writer.close() ? error_code() : error_code(EPIPE, boost::system::system_category());
    });
    auto child = spawn(context, cmd);
    REQUIRE_MESSAGE(child, child.error().message());
    CHECK(child.value().wait().value().code() == 5);
    CHECK(writer.succeeds());
}

TEST_CASE("launcher: without a descriptor for the pidfd, a child is started and watched by SIGCHLD")
{
    for_each_backend([](backend_config const& config) {
        if (config.backend != spawn_backend::vfork)
            return; // fork needs a pipe for the report, and the C library may need a descriptor
        asio::io_context context;
        std::optional<result<child>> started;
        {
            no_descriptors const none;
            started = spawn(context, probe(config, "exit", "6"));
        }
        REQUIRE_MESSAGE(*started, started->error().message());
        CHECK(started->value().native_handle() == -1);
        std::optional<int> code;
        started->value().async_wait([&](error_code, exit_status status) { code = status.code(); });
        context.run_for(60s);
        CHECK(code == 6);
    });
}

TEST_CASE("launcher: a program may be named by a link to any descriptor")
{
    scratch_folder const folder;
    int const program = ::open(probe_path().c_str(), O_RDONLY | O_CLOEXEC);
    int const high = ::fcntl(program, F_DUPFD_CLOEXEC, 100);
    REQUIRE(high >= 100);
    auto const link = folder.path("link");
    std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(high), link);
    for_each_backend([&](backend_config const& config) {
        if (config.backend == spawn_backend::posix_spawn)
            return; // the C library may close the descriptor first
        asio::io_context context;
        command cmd(link, "exit", "3");
        auto child = spawn(context, cmd.backend(config.backend).watcher(config.watcher));
        REQUIRE_MESSAGE(child, child.error().message());
        CHECK(child.value().wait().value().code() == 3);
    });
    ::close(program);
    ::close(high);
}

TEST_SUITE_END();
