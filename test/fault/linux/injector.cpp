// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fault/linux/injector.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int control_fd = 1000; // a number that the process under test uses for nothing else

// Older headers lack the flag: a call that the supervisor has seen is not restarted after a signal.
constexpr unsigned wait_killable = 1U << 5;

sock_filter load(std::size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset)); }
sock_filter answer(unsigned value) { return BPF_STMT(BPF_RET | BPF_K, value); }

// Skips the next instructions if the loaded value differs.
sock_filter unless_equal(unsigned value, unsigned char skip)
{
    return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

// The listener is sent by a call that no filter may delay.
std::vector<sock_filter> make_filter(std::optional<fault> const& what, std::span<int const> untouched)
{
    std::vector<sock_filter> filter{
        load(offsetof(seccomp_data, nr)), unless_equal(SYS_sendmsg, 4), load(offsetof(seccomp_data, args)),
        unless_equal(control_fd, 1),      answer(SECCOMP_RET_ALLOW),    load(offsetof(seccomp_data, nr)),
    };
    auto const add = [&filter](int call, unsigned action) {
        filter.push_back(unless_equal(static_cast<unsigned>(call), 1));
        filter.push_back(answer(action));
    };
    if (what)
        add(what->call & system_call_mask, SECCOMP_RET_USER_NOTIF);
    else
        for (int const call : untouched)
            add(call, SECCOMP_RET_ALLOW);
    filter.push_back(answer(what ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF));
    return filter;
}

// Returns the listener, or -1.
int install(std::vector<sock_filter> filter)
{
    sock_fprog const program{static_cast<unsigned short>(filter.size()), filter.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return static_cast<int>(
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | wait_killable, &program));
}

struct fd_message {
    msghdr header{};
    iovec content{};
    char byte = 0;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};

    fd_message()
    {
        content = {&byte, 1};
        header.msg_iov = &content;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
    }
};

bool send_fd(int socket, int fd)
{
    fd_message message;
    cmsghdr* const part = CMSG_FIRSTHDR(&message.header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
    return ::sendmsg(socket, &message.header, MSG_NOSIGNAL) == 1;
}

// -1 if the other end has been closed.
int receive_fd(int socket)
{
    fd_message message;
    int fd = -1;
    ssize_t const size = ::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC);
    cmsghdr const* const part = CMSG_FIRSTHDR(&message.header);
    if (size == 1 && part)
        std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
    return fd;
}

void write_message(char (&to)[8192], std::string_view text)
{
    auto const size = std::min(text.size(), sizeof to - 1);
    std::memcpy(to, text.data(), size);
    to[size] = '\0';
}

[[noreturn]] void
run_in_child(std::function<void(shared_state&)> const& body, shared_state& shared, std::vector<sock_filter> filter)
{
    int const listener = install(std::move(filter));
    if (listener < 0 || !send_fd(control_fd, listener))
        ::_exit(1);
    ::close(listener);
    ::close(control_fd);
    try {
        body(shared);
    } catch (std::exception const& error) {
        shared.armed = false;
        write_message(shared.message, std::string("thrown: ") + error.what());
    }
    ::_exit(0);
}

// Processes under test inherit it, from the first one on.
int null_file()
{
    static int const fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd;
}

class supervisor {
public:
    supervisor(pid_t process, int listener, shared_state& shared, std::optional<fault> const& what)
        : process_(process), listener_(listener), shared_(shared), what_(what)
    {}

    supervised_run run(milliseconds bound)
    {
        deadline_ = clock::now() + bound;
        while (watch()) {
            if (clock::now() < deadline_)
                continue;
            if (!ended_) {
                fail("hangs");
                ::kill(process_, SIGKILL);
            } else {
                fail("leaves a process");
            }
            kill_adopted();
            deadline_ = clock::now() + milliseconds(100);
        }
        return std::move(run_);
    }

private:
    // Returns false after all processes with the filter have ended.
    bool watch()
    {
        pollfd entry{listener_, POLLIN, 0};
        int const count = ::poll(&entry, 1, 10);
        if (count > 0 && (entry.revents & POLLIN) != 0)
            handle();
        reap();
        return !(ended_ && (entry.revents & POLLHUP) != 0) && !(ended_ && no_children_);
    }

    void reap()
    {
        int status = 0;
        pid_t pid;
        while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
            if (pid != process_)
                continue;
            ended_ = true;
            deadline_ = std::min(deadline_, clock::now() + milliseconds(5000));
            if (WIFSIGNALED(status))
                fail(std::string("killed by signal ") + std::to_string(WTERMSIG(status)));
            else if (shared_.message[0] != '\0')
                fail(shared_.message);
            else if (WEXITSTATUS(status) != 0)
                fail("exit code " + std::to_string(WEXITSTATUS(status)));
            run_.note = shared_.note;
        }
        no_children_ = pid < 0;
    }

    void fail(std::string_view text)
    {
        if (run_.failure.empty())
            run_.failure = text;
    }

    // The descendants whose parents have ended: this process is their subreaper.
    void kill_adopted()
    {
        std::ifstream children("/proc/thread-self/children");
        for (pid_t pid; children >> pid;)
            if (pid != process_)
                ::kill(pid, SIGKILL);
    }

    void handle()
    {
        alignas(seccomp_notif) char buffer[512] = {};
        auto& call = *new (buffer) seccomp_notif{};
        if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
            return; // the caller has been killed
        seccomp_notif_resp response{};
        response.id = call.id;
        if (int const error = decide(call); error != 0)
            response.error = -error;
        else
            response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &response);
    }

    static int call_of(seccomp_notif const& call)
    {
        auto const& data = call.data;
        if (data.nr == SYS_fcntl && (data.args[1] == F_GETFD || data.args[1] == F_SETFD))
            return fcntl_fd_flags;
        if (data.nr != SYS_epoll_ctl || data.args[1] != EPOLL_CTL_MOD)
            return data.nr;
        epoll_event event{};
        iovec const here{&event, sizeof event};
        iovec const there{reinterpret_cast<void*>(data.args[3]), sizeof event};
        ::process_vm_readv(static_cast<pid_t>(call.pid), &here, 1, &there, 1, 0);
        return (event.events & EPOLLONESHOT) != 0 ? epoll_ctl_rearm : epoll_ctl_mod;
    }

    // The error of the call, or 0.
    int decide(seccomp_notif const& call)
    {
        auto const thread = static_cast<pid_t>(call.pid);
        if (!shared_.armed || thread == shared_.exempt_thread)
            return 0;
        auto const who = find_caller(thread);
        if (!who)
            return 0;
        int const number = call_of(call);
        long const index = run_.calls[{*who, number}]++;
        if (!what_ || what_->call != number || what_->who != *who ||
            !(index == what_->index || (what_->for_good && index > what_->index)))
            return 0;
        if (call.data.nr == SYS_close && !close(call))
            return 0;
        if (what_->error == ESRCH)
            end_target(call.data, thread);
        run_.failed_call = true;
        return what_->error;
    }

    // None for programs that the children have executed. Those in memory files are a part of the library.
    std::optional<caller> find_caller(pid_t thread) const
    {
        if (::access(("/proc/" + std::to_string(process_) + "/task/" + std::to_string(thread)).c_str(), F_OK) == 0)
            return caller::parent;
        auto const program = read_link("/proc/" + std::to_string(thread) + "/exe");
        if (program == own_program_ || program.starts_with("/memfd:"))
            return caller::child;
        return std::nullopt;
    }

    static std::string read_link(std::string const& path)
    {
        char target[4096];
        auto const size = ::readlink(path.c_str(), target, sizeof target);
        return size < 0 ? std::string() : std::string(target, static_cast<std::size_t>(size));
    }

    // The process, or the group, that a signal does not reach because it has ended.
    void end_target(seccomp_data const& data, pid_t thread) const
    {
        auto const first = static_cast<int>(data.args[0]);
        pid_t target = data.nr == SYS_kill ? first : 0;
        if (data.nr == SYS_pidfd_send_signal) {
            std::ifstream info("/proc/" + std::to_string(thread) + "/fdinfo/" + std::to_string(first));
            for (std::string key; info >> key && key != "Pid:";) {}
            info >> target;
        }
        if (target > 1 || target < -1)
            ::kill(target, SIGKILL);
    }

    // Linux closes the descriptor although close(2) fails. The number stays in use, with another file.
    bool close(seccomp_notif const& call)
    {
        seccomp_notif_addfd other{};
        other.id = call.id;
        other.flags = SECCOMP_ADDFD_FLAG_SETFD;
        other.srcfd = static_cast<unsigned>(null_file());
        other.newfd = static_cast<unsigned>(call.data.args[0]);
        other.newfd_flags = O_CLOEXEC;
        if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_ADDFD, &other) < 0)
            return false;
        if (what_->who == caller::parent && shared_.replaced_count < std::size(shared_.replaced))
            shared_.replaced[shared_.replaced_count++] = static_cast<int>(call.data.args[0]);
        return true;
    }

    pid_t const process_;
    int const listener_;
    shared_state& shared_;
    std::optional<fault> const& what_;
    std::string const own_program_ = read_link("/proc/self/exe");
    supervised_run run_;
    clock::time_point deadline_;
    bool ended_ = false;
    bool no_children_ = false;
};

struct unmap {
    void operator()(shared_state* shared) const { ::munmap(shared, sizeof *shared); }
};

std::unique_ptr<shared_state, unmap> map_shared_state()
{
    void* const memory =
        ::mmap(nullptr, sizeof(shared_state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::bad_alloc();
    return std::unique_ptr<shared_state, unmap>(new (memory) shared_state);
}

} // namespace

supervised_run supervise(
    std::function<void(shared_state&)> const& body, std::optional<fault> const& what, std::span<int const> untouched,
    milliseconds bound)
{
    auto const shared = map_shared_state();
    int ends[2];
    if (null_file() < 0 || ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
        ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        throw std::runtime_error("no process can be supervised");
    auto filter = make_filter(what, untouched);
    pid_t const process = ::fork();
    if (process < 0)
        throw std::runtime_error("no process can be forked");
    if (process == 0) {
        ::close(ends[0]);
        ::dup3(ends[1], control_fd, O_CLOEXEC);
        ::close(ends[1]);
        run_in_child(body, *shared, std::move(filter));
    }
    ::close(ends[1]);
    int const listener = receive_fd(ends[0]);
    ::close(ends[0]);
    if (listener < 0) {
        ::waitpid(process, nullptr, 0);
        return {.failure = "no system calls can be intercepted", .note = {}, .calls = {}};
    }
    auto result = supervisor(process, listener, *shared, what).run(bound);
    ::close(listener);
    return result;
}

bool can_inject_faults()
{
    fault const harmless{SYS_getppid, caller::parent, 0, EPERM, true};
    auto const run = supervise(
        [](shared_state& shared) {
            shared.armed = true;
            if (::getppid() != -1)
                write_message(shared.message, "not injected");
        },
        harmless, {}, milliseconds(10'000));
    return run.failure.empty();
}

} // namespace test
