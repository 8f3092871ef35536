// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/system.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace test::system {

bool make_pipe(int (&ends)[2])
{
    return ::pipe(ends) == 0 && ::fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 &&
           ::fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0;
}

bool become_user(uid_t id, bool keep_root) { return (keep_root ? ::seteuid(id) : ::setuid(id)) == 0; }
bool set_users(uid_t real, uid_t effective, uid_t saved)
{
    return saved == effective && ::setreuid(real, effective) == 0;
}
bool set_groups(gid_t real, gid_t effective, gid_t saved)
{
    return saved == effective && ::setregid(real, effective) == 0;
}
bool become_root_again() { return ::seteuid(0) == 0; }

bool is_dumpable() { return true; }
bool set_subreaper(bool) { return false; }
bool trace(pid_t) { return false; }
bool request_tracing() { return false; }

void end_with_parent() {}

pid_t thread_id() { return ::getpid(); }
int last_processor() { return -1; }
std::vector<int> realtime_signals() { return {}; }
bool become_capable_user(uid_t) { return false; }
bool become_dumpable() { return false; }
bool make_inheritable(int) { return false; }
bool share_mounts() { return false; }
bool drop_capability(int) { return false; }
bool keeps_capabilities() { return false; }
bool raise_ambient_capabilities() { return false; }

bool lock_new_memory() { return ::mlockall(MCL_FUTURE) == 0; }

pid_t fork_without_handlers() { return ::fork(); }

pid_t fork_with_pidfd(int exit_code, int&)
{
    pid_t const pid = ::fork();
    if (pid == 0)
        ::_exit(exit_code);
    return pid;
}

} // namespace test::system
