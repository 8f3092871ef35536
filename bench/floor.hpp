// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_FLOOR_HPP
#define BROOD_BENCH_FLOOR_HPP

#include <memory>
#include <string>
#include <vector>

#include <sys/epoll.h>

namespace bench {

/// The least that a program can do to start children and await them: clone, execve, epoll, waitid, close.
/**
 * It leaves out what a library owes its users: signals blocked across the clone, descriptors closed in the
 * child, a failed exec told to the parent.
 */
class floor_loop {
public:
    floor_loop(std::string program, int in_flight);
    ~floor_loop();
    floor_loop(floor_loop const&) = delete;
    floor_loop& operator=(floor_loop const&) = delete;

    int in_flight() const noexcept { return in_flight_; }

    /// Starts `count` children in all, `in_flight` at a time, and awaits each.
    void run(int count);

private:
    void start_one();
    void reap(int pidfd);

    std::string program_;
    int in_flight_;
    int epoll_;
    std::vector<epoll_event> events_;
    std::unique_ptr<char[]> stack_;
};

} // namespace bench

#endif
