// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "floor.hpp"

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {
namespace {

constexpr std::size_t stack_size = 16 * 1024;
constexpr int clone_pidfd = 0x1000; // older headers lack it, and P_PIDFD
constexpr auto p_pidfd = static_cast<idtype_t>(3);

int check(int outcome, char const* call)
{
    if (outcome < 0)
        throw std::system_error(errno, std::generic_category(), call);
    return outcome;
}

int child_main(void* program)
{
    char* const argv[] = {static_cast<char*>(program), nullptr};
    ::execve(argv[0], argv, environ);
    ::_exit(127);
}

} // namespace

floor_loop::floor_loop(std::string program, int in_flight)
    : program_(std::move(program)),
      in_flight_(in_flight),
      epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      events_(static_cast<std::size_t>(in_flight)),
      stack_(new char[stack_size])
{}

floor_loop::~floor_loop() { ::close(epoll_); }

void floor_loop::run(int count)
{
    int to_start = count, running = 0;
    while (to_start > 0 || running > 0) {
        for (; to_start > 0 && running < in_flight_; --to_start, ++running)
            start_one();
        int const ready = ::epoll_wait(epoll_, events_.data(), in_flight_, -1);
        if (ready < 0 && errno != EINTR)
            check(ready, "epoll_wait");
        for (int i = 0; i < ready; ++i, --running)
            reap(events_[static_cast<std::size_t>(i)].data.fd);
    }
}

void floor_loop::start_one()
{
    int pidfd = -1;
    int const flags = CLONE_VM | CLONE_VFORK | clone_pidfd | SIGCHLD;
    check(::clone(child_main, stack_.get() + stack_size, flags, program_.data(), &pidfd), "clone");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = pidfd;
    check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, pidfd, &event), "epoll_ctl");
}

void floor_loop::reap(int pidfd)
{
    siginfo_t info{};
    check(::waitid(p_pidfd, static_cast<id_t>(pidfd), &info, WEXITED), "waitid");
    // A child that has just left its parent's memory may not have closed its copies yet, which keep this one
    // in the epoll. A single child is no problem.
    if (in_flight_ > 1)
        check(::epoll_ctl(epoll_, EPOLL_CTL_DEL, pidfd, nullptr), "epoll_ctl");
    ::close(pidfd);
    if (info.si_code != CLD_EXITED || info.si_status != 0)
        throw std::runtime_error("the floor's child failed: " + program_);
}

} // namespace bench
