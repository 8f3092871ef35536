// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"
#include "os/pipes.hpp"

#include <doctest/doctest.h>

#include <string>

#include <signal.h>

using namespace brood;

namespace {

bool is_pending(int signal)
{
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    return sigismember(&pending, signal) == 1;
}

bool is_blocked(int signal)
{
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    return sigismember(&blocked, signal) == 1;
}

void change_mask(int mode, int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(mode, &set, nullptr);
}

result<std::size_t> write_text(int fd, std::string text)
{
    iovec const part{text.data(), text.size()};
    return os::write_some(fd, {&part, 1});
}

int open_without_reader(os::fd_pair& pipe)
{
    pipe = os::make_pipe().value();
    pipe.first.reset();
    return pipe.second.get();
}

} // namespace

TEST_SUITE_BEGIN("pipes");

TEST_CASE("pipes: bytes are written, counted and read")
{
    auto pipe = os::make_pipe().value();
    CHECK(os::readable_bytes(pipe.first.get()) == 0);
    CHECK(write_text(pipe.second.get(), "text").value() == 4);
    CHECK(os::readable_bytes(pipe.first.get()) == 4);
    char text[10];
    CHECK(os::read_some(pipe.first.get(), text, sizeof text).value() == 4);
    CHECK(std::string(text, 4) == "text");
    pipe.second.reset();
    CHECK(os::read_some(pipe.first.get(), text, sizeof text).value() == 0);
    CHECK(os::read_some(-1, text, sizeof text).error() == std::errc::bad_file_descriptor);
}

TEST_CASE("write_some: fails without SIGPIPE if the pipe has no reader")
{
    os::fd_pair pipe;
    int const fd = open_without_reader(pipe);
    for (auto action : {SIG_DFL, SIG_IGN}) {
        auto const previous = ::signal(SIGPIPE, action);
        CHECK(write_text(fd, "x").error() == std::errc::broken_pipe);
        CHECK_FALSE(is_pending(SIGPIPE));
        CHECK_FALSE(is_blocked(SIGPIPE));
        CHECK((::signal(SIGPIPE, previous) == action));
    }
}

TEST_CASE("write_some: keeps a SIGPIPE that the application has blocked")
{
    os::fd_pair pipe;
    int const fd = open_without_reader(pipe);
    change_mask(SIG_BLOCK, SIGPIPE);
    CHECK(write_text(fd, "x").error() == std::errc::broken_pipe);
    CHECK(is_blocked(SIGPIPE));
    CHECK_FALSE(is_pending(SIGPIPE));

    ::raise(SIGPIPE);
    CHECK(write_text(fd, "x").error() == std::errc::broken_pipe);
    CHECK(is_pending(SIGPIPE));

    auto const previous = ::signal(SIGPIPE, SIG_IGN); // discards the pending signal
    change_mask(SIG_UNBLOCK, SIGPIPE);
    ::signal(SIGPIPE, previous);
    CHECK_FALSE(is_pending(SIGPIPE));
}

TEST_SUITE_END();
