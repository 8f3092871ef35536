// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The child of most tests: `probe ACTION [ARGUMENT...]`. It prints what it has inherited, or behaves as requested.
// Answers go to the descriptor in --to=FD (first argument), else to standard output.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#ifdef __linux__
#    include <sys/auxv.h>
#    include <sys/prctl.h>
#    include <sys/ptrace.h>
#endif

extern char** environ;

namespace {

int answer_fd = 1;

void write_all(int fd, std::string_view text)
{
    while (!text.empty()) {
        ssize_t const done = ::write(fd, text.data(), text.size());
        if (done < 0 && errno != EINTR)
            std::_Exit(111);
        if (done > 0)
            text.remove_prefix(static_cast<std::size_t>(done));
    }
}

void answer(std::string_view text) { write_all(answer_fd, text); }

std::string read_all(int fd)
{
    std::string text;
    char buffer[65536];
    for (;;) {
        ssize_t const got = ::read(fd, buffer, sizeof buffer);
        if (got > 0)
            text.append(buffer, static_cast<std::size_t>(got));
        else if (got == 0 || errno != EINTR)
            return text;
    }
}

[[noreturn]] void pause_for_ever()
{
    for (;;)
        ::pause();
}

// Every string with its end marked, so that empty ones and newlines show.
int print_strings(char** strings)
{
    std::string all;
    for (; *strings; ++strings)
        all.append(*strings).push_back('\0');
    answer(all);
    return 0;
}

// The path that was executed, the number of arguments, the arguments and the environment.
int print_start(int argc, char** argv)
{
    char const* path = "";
#ifdef __linux__
    path = reinterpret_cast<char const*>(::getauxval(AT_EXECFN));
#endif
    answer(std::string(path) + '\0' + std::to_string(argc) + '\0');
    print_strings(argv);
    return print_strings(environ);
}

int print_descriptors()
{
    DIR* listing = ::opendir("/proc/self/fd");
    std::string all;
    while (dirent const* entry = ::readdir(listing))
        if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(listing))
            all.append(entry->d_name).push_back(' ');
    ::closedir(listing);
    answer(all);
    return 0;
}

// device:inode of each descriptor named, or "closed".
int print_files(char** descriptors)
{
    std::string all;
    for (; *descriptors; ++descriptors) {
        struct stat about;
        if (::fstat(std::atoi(*descriptors), &about) < 0)
            all += "closed ";
        else
            all += std::to_string(about.st_dev) + ":" + std::to_string(about.st_ino) + " ";
    }
    answer(all);
    return 0;
}

int print_status(std::string_view key)
{
    int const fd = ::open("/proc/self/status", O_RDONLY);
    std::string const text = read_all(fd);
    auto const at = text.find(std::string("\n").append(key).append(":\t"));
    if (at == text.npos)
        return 1;
    auto const start = at + key.size() + 3;
    answer(std::string_view(text).substr(start, text.find('\n', start) - start));
    return 0;
}

int print_link(char const* path)
{
    char target[4096];
    ssize_t const size = ::readlink(path, target, sizeof target);
    if (size < 0)
        return 1;
    answer(std::string_view(target, static_cast<std::size_t>(size)));
    return 0;
}

int print_file(char const* path)
{
    int const fd = ::open(path, O_RDONLY);
    if (fd < 0)
        return 1;
    answer(read_all(fd));
    return 0;
}

int print_ids()
{
    gid_t groups[64];
    int const count = ::getgroups(64, groups);
    std::string all = std::to_string(::getpid()) + " pgid " + std::to_string(::getpgid(0)) + " sid " +
                      std::to_string(::getsid(0)) + " uid " + std::to_string(::geteuid()) + " gid " +
                      std::to_string(::getegid()) + " groups";
    for (int i = 0; i < count; ++i)
        all += " " + std::to_string(groups[i]);
    answer(all);
    return 0;
}

int print_signal_action(int signal)
{
    struct sigaction action;
    if (::sigaction(signal, nullptr, &action) < 0)
        return 1;
    answer(action.sa_handler == SIG_DFL ? "default" : action.sa_handler == SIG_IGN ? "ignored" : "handled");
    return 0;
}

int print_limit(int resource)
{
    rlimit limit{};
    ::getrlimit(static_cast<decltype(RLIMIT_NOFILE)>(resource), &limit);
    answer(std::to_string(limit.rlim_cur) + " " + std::to_string(limit.rlim_max));
    return 0;
}

int print_cgroup()
{
    int const fd = ::open("/proc/self/cgroup", O_RDONLY);
    std::string const text = "\n" + read_all(fd);
    auto const at = text.find("\n0::");
    if (at == text.npos)
        return 1;
    answer(std::string_view(text).substr(at + 4, text.find('\n', at + 4) - at - 4));
    return 0;
}

int print_death_signal()
{
    int signal = 0;
#ifdef __linux__
    ::prctl(PR_GET_PDEATHSIG, &signal);
#endif
    answer(std::to_string(signal));
    return 0;
}

std::string size_of_terminal(int fd)
{
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) < 0)
        return "none";
    return std::to_string(size.ws_row) + "x" + std::to_string(size.ws_col);
}

// Which of the standard streams are terminals, and the size of the controlling one.
int print_terminal()
{
    std::string all;
    for (int fd : {0, 1, 2})
        all += ::isatty(fd) ? "yes " : "no ";
    int const tty = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
    answer(all + size_of_terminal(tty));
    return 0;
}

// Whether this process is in the foreground of its controlling terminal.
int print_foreground()
{
    int const tty = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
    answer(tty < 0 ? "no terminal" : ::tcgetpgrp(tty) == ::getpgrp() ? "foreground" : "background");
    return 0;
}

// Changes the modes of the controlling terminal and reads it.
int read_terminal(bool keys)
{
    int const tty = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
    termios modes{};
    if (::tcgetattr(tty, &modes) < 0)
        return 1;
    modes.c_lflag &= ~static_cast<tcflag_t>(keys ? ECHO : ECHO | ISIG);
    if (::tcsetattr(tty, TCSANOW, &modes) < 0)
        return 2;
    answer("ready\n");
    char buffer[64];
    auto const size = ::read(tty, buffer, sizeof buffer);
    answer(std::string(buffer, size > 0 ? static_cast<std::size_t>(size) : 0));
    return size > 0 ? 0 : 3;
}

// The size of standard output, and again each time that it changes.
[[noreturn]] void print_sizes()
{
    sigset_t changed;
    sigemptyset(&changed);
    sigaddset(&changed, SIGWINCH);
    ::sigprocmask(SIG_BLOCK, &changed, nullptr);
    for (int signal;; ::sigwait(&changed, &signal))
        answer(size_of_terminal(1) + "\n");
}

// Starts a child that holds every descriptor, prints the child's pid, and continues as requested.
int leave_grandchild(bool stay)
{
    pid_t const pid = ::fork();
    if (pid == 0)
        pause_for_ever();
    answer(std::to_string(pid) + "\n");
    if (stay)
        pause_for_ever();
    return 0;
}

// Starts a child of its own, and reaps it once standard input has ended.
int guard_grandchild()
{
    pid_t const pid = ::fork();
    if (pid == 0)
        pause_for_ever();
    answer(std::to_string(pid) + "\n");
    read_all(0);
    return ::waitpid(pid, nullptr, 0) == pid ? 0 : 1;
}

// Leaves a grandchild that is in a session and a process group of its own.
int leave_daemon()
{
    pid_t const pid = ::fork();
    if (pid == 0) {
        ::setsid();
        return leave_grandchild(false);
    }
    return ::waitpid(pid, nullptr, 0) == pid ? 0 : 1;
}

void ignore_all_signals()
{
    for (int signal = 1; signal < NSIG; ++signal)
        ::signal(signal, SIG_IGN);
}

void close_all()
{
    for (int fd = 0; fd < 256; ++fd)
        ::close(fd);
}

// Starts a process that has no living ancestor but init or a subreaper, in a session of its own, and returns in it. In
// this process, returns false.
bool start_daemon()
{
    if (pid_t const pid = ::fork(); pid != 0) {
        ::waitpid(pid, nullptr, 0);
        return false;
    }
    ::setsid();
    if (::fork() != 0)
        std::_Exit(0);
    return true;
}

// A daemon traces this process, which can then not be reaped before the end of the tracer. The next signal stops it.
void let_daemon_trace()
{
#ifdef __linux__
    int begin[2], done[2];
    if (::pipe(begin) < 0 || ::pipe(done) < 0)
        return;
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    pid_t const traced = ::getpid();
    if (start_daemon()) {
        ::close(begin[1]);
        read_all(begin[0]);
        ::ptrace(PTRACE_SEIZE, traced, nullptr, nullptr); // fails where nobody may trace
        ::close(done[0]);
        ::close(done[1]);
        pause_for_ever();
    }
    ::close(begin[0]);
    ::close(begin[1]); // the last SIGCHLD has arrived
    ::close(done[1]);
    read_all(done[0]);
    ::close(done[0]);
#endif
}

// Starts processes that have left the session, in the way that is named.
int resist(std::string_view how)
{
    if (how == "ignore")
        ignore_all_signals();
    if (start_daemon()) {
        if (how == "close")
            close_all();
        pause_for_ever();
    }
    if (how == "bomb" && start_daemon()) {
        for (int i = 0; i < 400; ++i) {
            if (start_daemon())
                pause_for_ever();
            ::usleep(5000);
        }
        pause_for_ever();
    }
    if (how == "roll" && start_daemon()) { // new processes all the time, whose zombies are removed at once
        ::signal(SIGCHLD, SIG_IGN);
        auto const end = ::time(nullptr) + 30;
        for (int i = 0; i < 2; ++i)
            if (::fork() == 0) {
                while (::time(nullptr) < end && ::fork() == 0) {}
                std::_Exit(0);
            }
        pause_for_ever();
    }
    if (how == "stop" && ::fork() == 0) {
        ::raise(SIGSTOP);
        pause_for_ever();
    }
    if (how == "trace")
        let_daemon_trace();
    answer("ready\n");
    if (how == "close") {
        close_all();
        pause_for_ever();
    }
    if (how == "stop")
        ::raise(SIGSTOP);
    read_all(0);
    return 9;
}

// Starts a child of its own that writes once this one has ended.
int leave_late_writer()
{
    int ends[2];
    if (::pipe(ends) < 0)
        return 1;
    if (::fork() == 0) {
        ::close(ends[1]);
        read_all(ends[0]);
        answer("late\n");
    }
    return 0;
}

// Starts a child of its own, and ends it on SIGTERM before it ends itself.
[[noreturn]] void clean_up_when_asked()
{
    static pid_t const helper = ::fork();
    if (helper == 0)
        pause_for_ever();
    ::signal(SIGTERM, [](int) {
        ::kill(helper, SIGKILL);
        ::waitpid(helper, nullptr, 0);
        answer("cleaned up\n");
        std::_Exit(0);
    });
    answer(std::to_string(helper) + "\n");
    pause_for_ever();
}

int last_signal;

// Prints the names of the signals that arrive. Exits on `last`, or when standard input ends.
int print_signals(int last, char** signals)
{
    last_signal = last;
    struct sigaction action {};
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    action.sa_handler = [](int signal) {
        answer(std::to_string(signal) + "\n");
        if (signal == last_signal)
            std::_Exit(7);
    };
    for (; *signals; ++signals)
        ::sigaction(std::atoi(*signals), &action, nullptr);
    answer("ready\n");
    read_all(0);
    if (last != 0)
        pause_for_ever();
    return 8;
}

int copy_to_both()
{
    char buffer[65536];
    for (;;) {
        ssize_t const got = ::read(0, buffer, sizeof buffer);
        if (got <= 0)
            return 0;
        write_all(1, {buffer, static_cast<std::size_t>(got)});
        write_all(2, {buffer, static_cast<std::size_t>(got)});
    }
}

int write_much(int fd, std::size_t size)
{
    std::string const block(65536, 'x');
    for (; size > block.size(); size -= block.size())
        write_all(fd, block);
    write_all(fd, block.substr(0, size));
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    char const* const name = argv[0];
    if (argc > 1 && std::strncmp(argv[1], "--to=", 5) == 0) {
        answer_fd = std::atoi(argv[1] + 5);
        ++argv, --argc;
    }
    if (argc < 2)
        return 100;
    std::string_view const action = argv[1];
    auto const number = [&](int i) { return i < argc ? std::atoi(argv[i]) : 0; };

    if (action == "arguments")
        return print_strings(argv + 2);
    if (action == "environment")
        return print_strings(environ);
    if (action == "start")
        return print_start(argc, argv);
    if (action == "start-in") { // the working directory, too
        answer(std::string(::getcwd(nullptr, 0)) + '\0');
        return print_start(argc, argv);
    }
    if (action == "descriptors")
        return print_descriptors();
    if (action == "link")
        return print_link(argv[2]);
    if (action == "file")
        return print_file(argv[2]);
    if (action == "files")
        return print_files(argv + 2);
    if (action == "ids")
        return print_ids();
    if (action == "status")
        return print_status(argv[2]);
    if (action == "signal-action")
        return print_signal_action(number(2));
    if (action == "limit")
        return print_limit(number(2));
    if (action == "cgroup")
        return print_cgroup();
    if (action == "death-signal")
        return print_death_signal();
    if (action == "exit")
        return number(2);
    if (action == "raise") {
        rlimit const none{0, 0};
        ::setrlimit(RLIMIT_CORE, &none);
        ::signal(number(2), SIG_DFL);
        ::raise(number(2));
        pause_for_ever();
    }
    if (action == "dump-core") {
        rlimit core{};
        ::getrlimit(RLIMIT_CORE, &core);
        core.rlim_cur = core.rlim_max;
        ::setrlimit(RLIMIT_CORE, &core);
#ifdef __linux__
        ::prctl(PR_SET_DUMPABLE, 1);
#endif
        ::raise(SIGABRT);
    }
    if (action == "name")
        return answer(name), 0;
    if (action == "directory")
        return answer(::getcwd(nullptr, 0)), 0;
    if (action == "umask")
        return answer(std::to_string(::umask(0))), 0;
    if (action == "nice")
        return answer(std::to_string(::getpriority(PRIO_PROCESS, 0))), 0;
    if (action == "blocking") // is a descriptor blocking?
        return answer(::fcntl(number(2), F_GETFL) & O_NONBLOCK ? "no" : "yes"), 0;
    if (action == "access") // the access mode of a descriptor
        switch (::fcntl(number(2), F_GETFL) & O_ACCMODE) {
        case O_RDONLY: return answer("read"), 0;
        case O_WRONLY: return answer("write"), 0;
        default: return answer("both"), 0;
        }
    if (action == "foreground")
        return print_foreground();
    if (action == "read-terminal")
        return read_terminal(argc > 2);
    if (action == "terminal")
        return print_terminal();
    if (action == "sizes")
        print_sizes();
    if (action == "copy") // standard input to standard output
        return write_all(1, read_all(0)), 0;
    if (action == "read")
        return answer(read_all(number(2))), 0;
    if (action == "write") {
        write_all(number(2), argv[3]);
        return 0;
    }
    if (action == "write-last") { // once standard input has ended
        read_all(0);
        write_all(number(2), argv[3]);
        return 0;
    }
    if (action == "write-much")
        return write_much(number(2), static_cast<std::size_t>(std::atoll(argv[3])));
    if (action == "copy-to-both") // standard input to both outputs, as it comes
        return copy_to_both();
    if (action == "close-input") { // and goes on to write
        ::close(0);
        return write_much(1, static_cast<std::size_t>(std::atoll(argv[2])));
    }
    if (action == "close-outputs") { // and lives on until standard input ends
        ::close(1);
        ::close(2);
        answer("ready\n");
        read_all(0);
        return number(2);
    }
    if (action == "write-then-obey") { // lets blocked signals in when all is written
        write_much(1, static_cast<std::size_t>(std::atoll(argv[2])));
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        pause_for_ever();
    }
    if (action == "print-signals")
        return print_signals(number(2), argv + 3);
    if (action == "clean-up")
        clean_up_when_asked();
    if (action == "late-writer")
        return leave_late_writer();
    if (action == "wait") { // until standard input ends
        answer("ready\n");
        read_all(0);
        return number(2);
    }
    if (action == "pause") {
        answer("ready\n");
        pause_for_ever();
    }
    if (action == "leave-group") { // for the parent's, and pauses
        bool const left = ::setpgid(0, ::getpgid(::getppid())) == 0;
        answer(left ? "ready\n" : "failed\n");
        pause_for_ever();
    }
    if (action == "lead-group") { // of its own, and pauses
        bool const leads = ::setpgid(0, 0) == 0;
        answer(leads ? "ready\n" : "failed\n");
        pause_for_ever();
    }
    if (action == "become-root") { // completely, as a set-user-ID program may; until standard input ends
        bool const became_root = ::setuid(0) == 0 && ::getuid() == 0;
        answer(became_root ? "ready\n" : "failed\n");
        read_all(0);
        return 0;
    }
    if (action == "ignore") { // the signals named, for ever
        for (int i = 2; i < argc; ++i)
            ::signal(number(i), SIG_IGN);
        answer("ready\n");
        pause_for_ever();
    }
    if (action == "exit-on") { // exits with the code when the signal comes
        static int code;
        code = number(3);
        ::signal(number(2), [](int) { std::_Exit(code); });
        answer("ready\n");
        pause_for_ever();
    }
    if (action == "grandchild")
        return leave_grandchild(false);
    if (action == "family")
        return leave_grandchild(true);
    if (action == "guardian")
        return guard_grandchild();
    if (action == "daemon")
        return leave_daemon();
    if (action == "resist") // the end, until standard input ends
        return resist(argv[2]);
    return 101;
}
