// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace test {
namespace {

constexpr int kill = -1;

std::map<std::string, int, std::less<>> const errors{
    {"ENOSYS", ENOSYS}, {"EPERM", EPERM},   {"EINVAL", EINVAL},
    {"EMFILE", EMFILE}, {"EAGAIN", EAGAIN}, {"ENOMEM", ENOMEM},
    {"ENFILE", ENFILE}, {"EIO", EIO},       {"ETOOMANYREFS", ETOOMANYREFS},
    {"EACCES", EACCES}, {"KILL", kill},
};

std::map<std::string, unsigned, std::less<>> const numbers{
    {"clone3", SYS_clone3},
    {"pidfd_open", SYS_pidfd_open},
    {"close_range", SYS_close_range},
    {"execve", SYS_execve},
    {"exit", SYS_exit},
    {"exit_group", SYS_exit_group},
    {"getpriority", SYS_getpriority},
    {"pidfd_send_signal", SYS_pidfd_send_signal},
    {"kill", SYS_kill},
    {"memfd_create", SYS_memfd_create},
    {"memfd-exec", SYS_memfd_create},
    {"pipe2", SYS_pipe2},
    {"read", SYS_read},
    {"recvmsg", SYS_recvmsg},
    {"sendmsg", SYS_sendmsg},
    {"sendto", SYS_sendto},
    {"write", SYS_write},
    {"writev", SYS_writev},
    {"pwritev2", SYS_pwritev2},
    {"sched_yield", SYS_sched_yield},
    {"prctl", SYS_prctl},
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
    {"memfd-exec", {1, 0x13 /* MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC */}},
};

constexpr unsigned offset_of_argument = offsetof(seccomp_data, args);

// A filter cannot see whether a descriptor is an epoll. It sends SIGSYS for each call of epoll_ctl(2) that adds one,
// and the handler looks. The handler's own call has a further argument, by which the filter knows it.
constexpr long from_handler = 0x62726f6f;

#if defined(__x86_64__) || defined(__aarch64__)
bool is_epoll(int fd)
{
    char path[32], target[32] = {};
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return ::readlink(path, target, sizeof target - 1) > 0 && std::strcmp(target, "anon_inode:[eventpoll]") == 0;
}

constexpr bool can_answer_traps = true;

void answer_trap(int, siginfo_t* info, void* context)
{
    int const saved_errno = errno;
    auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#    if defined(__x86_64__)
    auto const argument = [&](int i) {
        constexpr int registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10};
        return static_cast<long>(machine.gregs[registers[i]]);
    };
    auto& result = machine.gregs[REG_RAX];
#    else
    auto const argument = [&](int i) { return static_cast<long>(machine.regs[i]); };
    auto& result = machine.regs[0];
#    endif
    long answer = -info->si_errno; // the filter's
    if (!is_epoll(static_cast<int>(argument(2)))) {
        answer = ::syscall(SYS_epoll_ctl, argument(0), argument(1), argument(2), argument(3), from_handler);
        if (answer < 0)
            answer = -errno;
    }
    result = static_cast<std::remove_reference_t<decltype(result)>>(answer);
    errno = saved_errno;
}
#else
constexpr bool can_answer_traps = false;

void answer_trap(int, siginfo_t*, void*) {}
#endif

void add_trap(std::vector<sock_filter>& program, int error)
{
    if (!can_answer_traps) {
        std::fputs("skipped: the arguments of a trapped call cannot be read on this processor\n", stderr);
        std::exit(77);
    }
    struct sigaction action {};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = answer_trap;
    ::sigaction(SIGSYS, &action, nullptr);
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_ctl, 0, 6));
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_of_argument + 8));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, EPOLL_CTL_ADD, 0, 3));
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_of_argument + 8 * 4));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, from_handler, 1, 0));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | static_cast<unsigned>(error)));
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
}

void add_refusal(std::vector<sock_filter>& program, std::string_view call, int error)
{
    unsigned const verdict =
        error == kill ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | static_cast<unsigned>(error);
    sock_filter const refusal = BPF_STMT(BPF_RET | BPF_K, verdict);
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
    if (call == "nested-epoll")
        return add_trap(program, error);
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

std::vector<sock_filter> filter_program(std::string_view calls)
{
    std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    while (!calls.empty()) {
        auto const one = calls.substr(0, calls.find(','));
        auto const equals = one.find('=');
        add_refusal(program, one.substr(0, equals), errors.find(one.substr(equals + 1))->second);
        calls.remove_prefix(one.size() < calls.size() ? one.size() + 1 : one.size());
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    return program;
}

} // namespace

void deny_syscalls(std::string_view calls)
{
    auto program = filter_program(calls);
    sock_fprog const filter{static_cast<unsigned short>(program.size()), program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) {
        std::perror("skipped: system calls cannot be filtered here");
        std::exit(77);
    }
}

std::vector<brood::bpf_instruction> filter_denying(std::string_view calls)
{
    std::vector<brood::bpf_instruction> program;
    for (auto const& [code, jt, jf, k] : filter_program(calls))
        program.push_back({code, jt, jf, k});
    return program;
}

bool can_deny_syscalls() { return ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0; }

std::string_view denied_syscalls()
{
    char const* calls = std::getenv("BROOD_DENY_SYSCALLS");
    return calls ? calls : "";
}

} // namespace test
