// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/exit_status.hpp>

#include <signal.h>

namespace brood {

std::string_view signal_name(int signal) noexcept
{
    switch (signal) {
    case SIGHUP: return "SIGHUP";
    case SIGINT: return "SIGINT";
    case SIGQUIT: return "SIGQUIT";
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGABRT: return "SIGABRT";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGKILL: return "SIGKILL";
    case SIGUSR1: return "SIGUSR1";
    case SIGSEGV: return "SIGSEGV";
    case SIGUSR2: return "SIGUSR2";
    case SIGPIPE: return "SIGPIPE";
    case SIGALRM: return "SIGALRM";
    case SIGTERM: return "SIGTERM";
    case SIGCHLD: return "SIGCHLD";
    case SIGCONT: return "SIGCONT";
    case SIGSTOP: return "SIGSTOP";
    case SIGTSTP: return "SIGTSTP";
    case SIGTTIN: return "SIGTTIN";
    case SIGTTOU: return "SIGTTOU";
    case SIGURG: return "SIGURG";
    case SIGXCPU: return "SIGXCPU";
    case SIGXFSZ: return "SIGXFSZ";
    case SIGVTALRM: return "SIGVTALRM";
    case SIGPROF: return "SIGPROF";
    case SIGWINCH: return "SIGWINCH";
#if defined(SIGIO)
    case SIGIO: return "SIGIO";
#elif defined(SIGPOLL)
    case SIGPOLL: return "SIGPOLL";
#endif
    case SIGSYS: return "SIGSYS";
#ifdef SIGSTKFLT
    case SIGSTKFLT: return "SIGSTKFLT";
#endif
#if defined(SIGPWR) && (!defined(SIGINFO) || SIGPWR != SIGINFO)
    case SIGPWR: return "SIGPWR";
#endif
#ifdef SIGEMT
    case SIGEMT: return "SIGEMT";
#endif
#ifdef SIGINFO
    case SIGINFO: return "SIGINFO";
#endif
#if defined(SIGLOST) && (!defined(SIGPWR) || SIGLOST != SIGPWR) && (!defined(SIGIO) || SIGLOST != SIGIO)
    case SIGLOST: return "SIGLOST";
#endif
    default: return {};
    }
}

} // namespace brood
