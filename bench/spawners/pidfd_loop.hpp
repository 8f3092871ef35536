// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_SPAWNERS_PIDFD_LOOP_HPP
#define BROOD_BENCH_SPAWNERS_PIDFD_LOOP_HPP

#include "../spawner.hpp"

#include <vector>

#include <sys/epoll.h>

namespace bench {

/// Reaps a child that has exited. Returns whether it succeeded.
bool reap_child(int pidfd);

/// Waits for children with system calls: it registers the pidfds in an epoll, and calls waitid(2) and close(2).
class pidfd_loop : public spawner {
public:
    pidfd_loop(int slots, listener& listener);
    ~pidfd_loop() override;
    pidfd_loop(pidfd_loop const&) = delete;
    pidfd_loop& operator=(pidfd_loop const&) = delete;

    void run_once() override;
    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].pid; }

protected:
    /// Takes over a child and reports that its program runs.
    void add(int slot, pid_t pid, int pidfd);

private:
    struct child_entry {
        pid_t pid = 0;
        int pidfd = -1;
    };

    void reap(int slot);

    listener& listener_;
    int epoll_;
    std::vector<child_entry> children_;
    std::vector<epoll_event> events_;
};

} // namespace bench

#endif
