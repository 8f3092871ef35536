// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_WAYS_PIDFD_LOOP_HPP
#define BROOD_BENCH_WAYS_PIDFD_LOOP_HPP

#include "../way.hpp"

#include <vector>

#include <sys/epoll.h>

namespace bench {

/// Takes the status of a child that has ended: whether it was success.
bool reap_child(int pidfd);

/// Awaits children by the system's own calls: their pidfds in an epoll, waitid, close.
class pidfd_loop : public way {
public:
    pidfd_loop(int slots, audience& told);
    ~pidfd_loop() override;
    pidfd_loop(pidfd_loop const&) = delete;
    pidfd_loop& operator=(pidfd_loop const&) = delete;

    void turn() override;
    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].pid; }

protected:
    /// To be called once the child's program runs.
    void await(int slot, pid_t pid, int pidfd);

private:
    struct child {
        pid_t pid = 0;
        int pidfd = -1;
    };

    void reap(int slot);

    audience& told_;
    int epoll_;
    std::vector<child> children_;
    std::vector<epoll_event> events_;
};

} // namespace bench

#endif
