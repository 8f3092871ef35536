// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/terminal.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>

using namespace brood;

namespace {

dev_t device(int fd)
{
    struct stat about {};
    REQUIRE(::fstat(fd, &about) == 0);
    return about.st_rdev;
}

} // namespace

TEST_SUITE_BEGIN("os terminal");

TEST_CASE("open_child_end_by_name: opens the same terminal")
{
    auto const ends = os::open_terminal({3, 4});
    REQUIRE(ends);
    auto const named = os::open_child_end_by_name(ends.value().first.get());
    REQUIRE(named);
    CHECK(device(named.value().get()) == device(ends.value().second.get()));
    CHECK(::isatty(named.value().get()) == 1);
    CHECK(::fcntl(named.value().get(), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE("open_child_end, set_terminal_size: fail on a pipe")
{
    auto const pipe = os::make_pipe();
    REQUIRE(pipe);
    CHECK(os::open_child_end(pipe.value().first.get()).error() == std::errc::inappropriate_io_control_operation);
    CHECK(os::set_terminal_size(pipe.value().first.get(), {}) == std::errc::inappropriate_io_control_operation);
}

TEST_SUITE_END();
