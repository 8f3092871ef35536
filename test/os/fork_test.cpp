// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"
#include "os/fork.hpp"
#include "os/per_process.hpp"
#include "support/forked.hpp"
#include "support/system.hpp"

#include <fcntl.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("os fork");

TEST_CASE("own_pid: is the pid of the process that asks")
{
    CHECK(os::own_pid() == ::getpid());
    forked copy([] { return os::own_pid() == ::getpid() && os::own_pid() == ::getpid(); });
    CHECK(copy.succeeds());
    pid_t const pid = system::fork_without_handlers();
    if (pid == 0)
        ::_exit(os::own_pid() == ::getpid() ? 0 : 1);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
    CHECK(os::own_pid() == ::getpid());
}

TEST_CASE("private_fd: fork closes the descriptor in the forked process")
{
    leak_check const leaks;
    os::fd_pair pipe;
    os::private_fd end;
    {
        os::fork_block const block;
        pipe = os::make_pipe().value();
        end = os::private_fd(std::move(pipe.second), block);
    }
    int const fd = end.get();
    REQUIRE(os::is_open(fd));
    forked copy([&] {
        bool const closed = !os::is_open(fd);
        int const reused = ::open("/dev/null", O_RDONLY);
        end.reset(); // another descriptor may have the number now
        return closed && reused >= 0 && os::is_open(reused);
    });
    CHECK(copy.succeeds());
    CHECK(os::is_open(fd));
    auto const moved = std::move(end);
    CHECK(moved.get() == fd);
    CHECK_FALSE(end);
}

TEST_CASE("fork_process: the child keeps the private descriptors that it needs")
{
    os::private_fd kept, other;
    {
        os::fork_block const block;
        auto ends = os::make_pipe().value();
        kept = os::private_fd(std::move(ends.first), block);
        other = os::private_fd(std::move(ends.second), block);
    }
    int const needed = kept.get();
    pid_t const pid = os::fork_process({&needed, 1});
    if (pid == 0)
        ::_exit(os::is_open(kept.get()) && !os::is_open(other.get()) ? 0 : 1);
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
    CHECK(os::is_open(other.get()));
}

TEST_CASE("per_process: a forked process gets an object of its own")
{
    static constinit os::per_process<int> numbers;
    CHECK_FALSE(numbers.find());
    int& number = numbers.get();
    number = 7;
    CHECK(numbers.find() == &number);
    forked copy([&] { return !numbers.find() && numbers.get() == 0 && numbers.find() == &numbers.get(); });
    CHECK(copy.succeeds());
    CHECK(&numbers.get() == &number);
    CHECK(number == 7);
}

TEST_SUITE_END();
