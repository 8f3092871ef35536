// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/guard_calls.hpp"

#include "os/linux/syscall.hpp"
#include "os/linux/usage.hpp"
#include "os/shortage.hpp"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

namespace brood::os::raw {
namespace {

// A path below procfs.
class path {
public:
    path& add(char const* text) noexcept
    {
        while (*text)
            add(*text++);
        return *this;
    }

    path& add(pid_t number) noexcept
    {
        char digits[12];
        int count = 0;
        do
            digits[count++] = static_cast<char>('0' + number % 10);
        while ((number /= 10) > 0);
        while (count > 0)
            add(digits[--count]);
        return *this;
    }

    int open(int folder, int flags) const noexcept { return call(SYS_openat, folder, word(text_), flags | O_CLOEXEC); }

private:
    void add(char c) noexcept
    {
        text_[length_++] = c; // no path is longer than two pids and the names around them
        text_[length_] = '\0';
    }

    char text_[64] = {};
    int length_ = 0;
};

path children_file(pid_t pid, pid_t thread) noexcept
{
    return path().add(pid).add("/task/").add(thread).add("/children");
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// The numbers in a file, each followed by a space.
template <class Function>
void for_each_number(int fd, Function what) noexcept
{
    char buffer[1024];
    pid_t number = 0;
    int size = 0;
    while ((size = call(SYS_read, fd, word(buffer), sizeof buffer)) > 0)
        for (int i = 0; i < size; ++i) {
            if (is_digit(buffer[i])) {
                number = number * 10 + (buffer[i] - '0');
                continue;
            }
            if (number > 0)
                what(number);
            number = 0;
        }
}

// The numbers among the names in a folder.
template <class Function>
void for_each_numbered_entry(int folder, Function what) noexcept
{
    alignas(abi::directory_entry) char buffer[1024];
    int size = 0;
    while ((size = call(SYS_getdents64, folder, word(buffer), sizeof buffer)) > 0)
        for (int at = 0; at < size;) {
            auto const* entry = reinterpret_cast<abi::directory_entry const*>(&buffer[at]);
            pid_t number = 0;
            for (char const* c = entry->name; is_digit(*c); ++c)
                number = number * 10 + (*c - '0');
            if (number > 0)
                what(number);
            at += entry->length;
        }
}

// The error of a shortage, which may pass. Else, procfs lacks something.
int shortage_or_unsupported(int error) noexcept { return is_shortage(-error) ? error : -ENOTSUP; }

} // namespace

int become_subreaper() noexcept { return call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1); }

pid_t fork(int& pidfd) noexcept
{
    return call(SYS_clone, static_cast<long>(abi::clone_pidfd) | SIGCHLD, 0, word(&pidfd));
}

bool ignore_child_signal(bool ignored) noexcept
{
    abi::sigaction const action{ignored ? SIG_IGN : SIG_DFL, {}};
    abi::sigaction before{};
    call(SYS_rt_sigaction, SIGCHLD, word(&action), word(&before), sizeof(signal_bits));
    return before.handler == SIG_IGN;
}

int open_child_signals() noexcept
{
    signal_bits const set = bit_of(SIGCHLD) | bit_of(SIGCONT);
    return call(SYS_signalfd4, -1, word(&set), sizeof set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool wait_for_event(int signals, int link, int pidfd, int milliseconds) noexcept
{
    // The kernel skips negative descriptors.
    pollfd entries[] = {{signals, POLLIN, 0}, {link, POLLIN, 0}, {pidfd, POLLIN, 0}};
    timespec time{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
    int const result = call(SYS_ppoll, word(entries), 3, milliseconds < 0 ? 0 : word(&time), 0, sizeof(signal_bits));
    if (result < 0 && result != -EINTR) // for example, because the limit of descriptors has been lowered
        pause(10);
    signalfd_siginfo arrived;
    return call(SYS_read, signals, word(&arrived), sizeof arrived) > 0;
}

int open_process(pid_t pid) noexcept { return call(abi::sys_pidfd_open, pid, 0); }

void wait_for_end_of(int link, int pidfd) noexcept
{
    for (;;) {
        pollfd entries[] = {{link, 0, 0}, {pidfd, POLLIN, 0}}; // an error or a hangup is always reported
        int const result = call(SYS_ppoll, word(entries), 2, 0, 0, sizeof(signal_bits));
        if (result > 0)
            return;
        if (result != -EINTR)
            pause(10);
    }
}

void pause(int milliseconds) noexcept
{
    timespec const time{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
    call(SYS_nanosleep, word(&time), 0);
}

bool is_readable(int fd) noexcept
{
    pollfd entry{fd, POLLIN, 0};
    timespec const none{};
    return call(SYS_ppoll, word(&entry), 1, word(&none), 0, sizeof(signal_bits)) > 0;
}

bool has_ended(pid_t pid) noexcept
{
    siginfo_t info{};
    int const result = call(SYS_waitid, P_PID, pid, word(&info), WEXITED | WNOHANG | WNOWAIT);
    return result < 0 || info.si_pid != 0;
}

bool reap(pid_t pid, int* status, resource_usage* usage) noexcept
{
    abi::rusage used{};
    int const reaped = call(SYS_wait4, pid, word(status), WNOHANG, word(&used));
    if (reaped > 0 && usage)
        *usage = from_kernel(used);
    return reaped != 0;
}

bool has_children() noexcept
{
    siginfo_t info{};
    return call(SYS_waitid, P_ALL, 0, word(&info), WEXITED | WNOHANG | WNOWAIT) == 0;
}

void send_signal(pid_t pid, int signal) noexcept { call(SYS_kill, pid, signal); }

long now() noexcept
{
    timespec time{};
    call(SYS_clock_gettime, CLOCK_MONOTONIC, word(&time));
    return static_cast<long>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000;
}

void conceal(char** arguments, char** environment) noexcept
{
    for (char** list : {arguments, environment})
        for (; *list; ++list)
            for (char* at = *list; *at; ++at)
                *at = '\0';
    call(SYS_prctl, PR_SET_NAME, word("brood-guard"));
    call(SYS_prctl, PR_SET_DUMPABLE, 0);
}

int child_lists::open() noexcept
{
    folder_ = call(SYS_openat, AT_FDCWD, word("/proc"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder_ < 0)
        return shortage_or_unsupported(folder_);
    pid_t const self = own_pid();
    char name[16] = {};
    int const length = call(SYS_readlinkat, folder_, word("self"), word(name), sizeof name - 1);
    pid_t listed = 0;
    for (int i = 0; i < length; ++i)
        listed = listed * 10 + (name[i] - '0');
    own_ = children_file(self, self).open(folder_, O_RDONLY);
    if (own_ < 0)
        return shortage_or_unsupported(own_);
    return listed == self ? 0 : -ENOTSUP;
}

void child_lists::for_each_own(callback what, void* argument) const noexcept
{
    call(SYS_lseek, own_, 0, SEEK_SET);
    for_each_number(own_, [=](pid_t child) { what(argument, child); });
}

void child_lists::for_each(pid_t pid, callback what, void* argument) const noexcept
{
    int const threads = path().add(pid).add("/task").open(folder_, O_RDONLY | O_DIRECTORY);
    if (threads < 0)
        return; // the process has been reaped, or no descriptor is left: its children become this process's
    for_each_numbered_entry(threads, [=, this](pid_t thread) {
        int const file = children_file(pid, thread).open(folder_, O_RDONLY);
        if (file < 0)
            return;
        for_each_number(file, [=](pid_t child) { what(argument, child); });
        call(SYS_close, file);
    });
    call(SYS_close, threads);
}

void end_with_status(int status) noexcept
{
    if (WIFEXITED(status))
        exit_now(WEXITSTATUS(status));
    int const signal = WTERMSIG(status);
    (void)set_limit(RLIMIT_CORE, 0, 0);
    (void)set_mask(all_signals & ~bit_of(signal)); // every signal is default in the guard, or ignored as in the parent
    (void)default_signals(bit_of(signal));
    send_signal(own_pid(), signal);
    exit_now(128 + signal); // the first process of a PID namespace cannot kill itself
}

} // namespace brood::os::raw
