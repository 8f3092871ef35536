// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace test {
namespace {

std::map<std::string, int, std::less<>> const errors{
    {"ENOSYS", ENOSYS}, {"EPERM", EPERM},   {"EINVAL", EINVAL},
    {"EMFILE", EMFILE}, {"EAGAIN", EAGAIN}, {"ENOMEM", ENOMEM},
    {"ENFILE", ENFILE}, {"EIO", EIO},       {"ETOOMANYREFS", ETOOMANYREFS},
};

std::map<std::string, unsigned, std::less<>> const numbers{
    {"clone3", SYS_clone3},
    {"pidfd_open", SYS_pidfd_open},
    {"close_range", SYS_close_range},
    {"pidfd_send_signal", SYS_pidfd_send_signal},
    {"memfd_create", SYS_memfd_create},
    {"pipe2", SYS_pipe2},
    {"read", SYS_read},
    {"recvmsg", SYS_recvmsg},
    {"sendmsg", SYS_sendmsg},
    {"sendto", SYS_sendto},
    {"write", SYS_write},
    {"writev", SYS_writev},
    {"pwritev2", SYS_pwritev2},
    {"socketpair", SYS_socketpair},
    {"waitid-pidfd", SYS_waitid},
    {"epoll_ctl", SYS_epoll_ctl},
    {"close_range-unshare", SYS_close_range},
};

// Calls that are refused only for one value of one argument.
struct use_of_call {
    unsigned argument, value;
};

std::map<std::string, use_of_call, std::less<>> const uses{
    {"waitid-pidfd", {0, 3 /* P_PIDFD */}},
    {"close_range-unshare", {2, 2 /* CLOSE_RANGE_UNSHARE */}},
};

constexpr unsigned offset_of_argument = offsetof(seccomp_data, args);

void add_refusal(std::vector<sock_filter>& program, std::string_view call, int error)
{
    sock_filter const refusal = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
    if (call == "fork") {
#ifdef SYS_fork
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fork, 0, 1)); // of musl
        program.push_back(refusal);
#endif
        // clone without CLONE_THREAD. A filter cannot read the flags of clone3, so every clone3 is refused.
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
        program.push_back(refusal);
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
        program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_of_argument));
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
        program.push_back(refusal);
        program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
        return;
    }
    auto const number = numbers.find(call);
    if (number == numbers.end()) {
        std::fprintf(stderr, "unknown call in BROOD_DENY_SYSCALLS: %.*s\n", static_cast<int>(call.size()), call.data());
        std::exit(1);
    }
    if (auto const use = uses.find(call); use != uses.end()) {
        auto const [argument, value] = use->second;
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number->second, 0, 4));
        program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_of_argument + 8 * argument));
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
        program.push_back(refusal);
        program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
        return;
    }
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number->second, 0, 1));
    program.push_back(refusal);
}

} // namespace

void deny_syscalls(std::string_view calls)
{
    std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    while (!calls.empty()) {
        auto const one = calls.substr(0, calls.find(','));
        auto const equals = one.find('=');
        add_refusal(program, one.substr(0, equals), errors.find(one.substr(equals + 1))->second);
        calls.remove_prefix(one.size() < calls.size() ? one.size() + 1 : one.size());
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    sock_fprog const filter{static_cast<unsigned short>(program.size()), program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) {
        std::perror("skipped: system calls can't be filtered here");
        std::exit(77);
    }
}

bool can_deny_syscalls() { return ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0; }

std::string_view denied_syscalls()
{
    char const* calls = std::getenv("BROOD_DENY_SYSCALLS");
    return calls ? calls : "";
}

} // namespace test
