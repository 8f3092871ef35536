// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The code of the watchdog process: see contain/watchdog.hpp.
#include "contain/watchdog.hpp"

#include "os/cgroup_calls.hpp"
#include "os/guard_calls.hpp"

#include <cerrno>

namespace brood::detail {
namespace {

namespace raw = os::raw;

void close_others(watchdog_task const& task, int cgroup, int owner) noexcept
{
    int const spared[] = {task.link, task.above, cgroup, owner};
    (void)raw::close_all_but(spared, sizeof spared / sizeof spared[0]);
}

// A process in an uninterruptible system call ends when that does.
void end_all(watchdog_task const& task, int cgroup) noexcept
{
    constexpr int longest_pause = 1000; // in milliseconds
    for (int pause = 1;; pause = pause < longest_pause ? 2 * pause : pause) {
        raw::kill_cgroup(cgroup);
        if (raw::remove_cgroup(task.above, task.name) != -EBUSY)
            return;
        raw::pause(pause);
    }
}

} // namespace

int watch_cgroup(watchdog_task const& task, pid_t owner, char** arguments, char** environment) noexcept
{
    int const owner_pidfd = raw::open_process(owner);
    if (owner_pidfd < 0)
        return owner_pidfd;
    if (raw::parent() != owner)
        return -ESRCH;
    raw::set_session(); // a signal to the owner's process group must not reach it
    int const cgroup =
        task.is_created ? raw::open_cgroup(task.above, task.name) : raw::create_cgroup(task.above, task.name);
    if (cgroup < 0)
        return cgroup;
    int ignored = -1;
    pid_t const watchdog = raw::fork(ignored);
    if (watchdog < 0 && !task.is_created)
        raw::remove_cgroup(task.above, task.name);
    if (watchdog != 0)
        return watchdog < 0 ? watchdog : 0;
    raw::change_directory("/");
    close_others(task, cgroup, owner_pidfd);
    raw::conceal(arguments, environment);
    raw::wait_for_end_of(task.link, owner_pidfd);
    end_all(task, cgroup);
    raw::exit_now(0);
}

} // namespace brood::detail
