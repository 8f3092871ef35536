// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/child_signal.hpp"

#include "os/descriptors.hpp"
#include "os/module.hpp"
#include "os/per_process.hpp"
#include "os/process.hpp"

#include <cerrno>
#include <mutex>

#include <signal.h>
#include <unistd.h>

namespace brood::os {

struct child_signal_pipes {
    std::atomic<child_signal_pipe*> first = nullptr; // pipes are added, never removed
    std::mutex growing;

    void hint_all(pid_t pid) noexcept
    {
        for (auto* pipe = first.load(std::memory_order_acquire); pipe; pipe = pipe->next_)
            if (pipe->used_.load(std::memory_order_relaxed))
                pipe->hint(pid);
    }

    child_signal_pipe* find_free() noexcept
    {
        for (auto* pipe = first.load(std::memory_order_acquire); pipe; pipe = pipe->next_)
            if (!pipe->used_.exchange(true))
                return pipe;
        return nullptr;
    }

    result<child_signal_pipe*> add()
    {
        auto ends = make_pipe();
        if (!ends)
            return ends.error();
        for (auto* end : {&ends.value().first, &ends.value().second})
            if (auto ec = set_non_blocking(end->get()); ec.failed())
                return ec;
        auto* pipe = new child_signal_pipe;
        pipe->reading_ = ends.value().first.release();
        pipe->writing_ = ends.value().second.release();
        std::lock_guard lock(growing);
        pipe->next_ = first.load();
        first.store(pipe, std::memory_order_release);
        return pipe;
    }
};

namespace {

constinit per_process<child_signal_pipes> pipes;

// A signal action of the application. Never freed, because a handler on another thread may be reading it. An action
// that is installed again, for example by asio::signal_set, is found in the list and not added twice.
struct known_action {
    struct sigaction action;
    known_action const* next;
};

std::atomic<known_action const*> application_action = nullptr;

// The C library leaves a part of the masks that it returns uninitialised.
bool equal(struct sigaction const& a, struct sigaction const& b) noexcept
{
    for (int number = 1; number < NSIG; ++number)
        if (::sigismember(&a.sa_mask, number) != ::sigismember(&b.sa_mask, number))
            return false;
    return a.sa_flags == b.sa_flags && a.sa_sigaction == b.sa_sigaction;
}

// Called with the lock.
known_action const* remember(struct sigaction const& action)
{
    static known_action const* first = nullptr;
    for (auto const* known = first; known; known = known->next)
        if (equal(known->action, action))
            return known;
    return first = new known_action{action, first};
}

// Set while the application's handler runs. That handler may call this one in turn, which must not call it again.
thread_local volatile sig_atomic_t chaining __attribute__((tls_model("initial-exec"))) = 0;

void call_application(int signal, siginfo_t* info, void* context) noexcept
{
    auto const* known = application_action.load(std::memory_order_acquire);
    if (!known || chaining)
        return;
    auto const& action = known->action;
    chaining = 1;
    if (action.sa_flags & SA_SIGINFO)
        action.sa_sigaction(signal, info, context);
    else if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)
        action.sa_handler(signal);
    chaining = 0;
}

void on_child_signal(int signal, siginfo_t* info, void* context);

bool is_own_action(struct sigaction const& action) noexcept
{
    return action.sa_flags & SA_SIGINFO && action.sa_sigaction == on_child_signal;
}

// A handler that replaced this one may call it with the signal number alone. The siginfo argument is then not valid and
// must not be read.
bool called_by_kernel() noexcept
{
    struct sigaction now {};
    return !chaining && ::sigaction(SIGCHLD, nullptr, &now) == 0 && is_own_action(now);
}

void on_child_signal(int signal, siginfo_t* info, void* context)
{
    int const saved_errno = errno;
    if (auto* const own_pipes = pipes.find()) // none in a process that has just been forked
        own_pipes->hint_all(called_by_kernel() ? info->si_pid : 0);
    call_application(signal, info, context);
    errno = saved_errno;
}

// The library's action. For the rest of the process it behaves like `old`, which it replaces.
struct sigaction action_before(struct sigaction const& old) noexcept
{
    struct sigaction own_action {};
    own_action.sa_sigaction = on_child_signal;
    own_action.sa_mask = old.sa_mask;
    own_action.sa_flags = SA_SIGINFO | SA_RESTART;
    bool const no_handler = !(old.sa_flags & SA_SIGINFO) && (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN);
    if (no_handler)
        own_action.sa_flags |= SA_NOCLDSTOP;
    else
        own_action.sa_flags |= old.sa_flags & (SA_NOCLDSTOP | SA_ONSTACK);
    // An application that ignores SIGCHLD relies on the kernel to reap its children.
    if (old.sa_flags & SA_NOCLDWAIT || (!(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_IGN))
        own_action.sa_flags |= SA_NOCLDWAIT;
    return own_action;
}

} // namespace

result<void> ensure_child_signal_handler()
{
    keep_module_loaded();
    static constinit per_process<std::mutex> mutex;
    std::lock_guard lock(mutex.get());
    struct sigaction now {};
    if (::sigaction(SIGCHLD, nullptr, &now) < 0)
        return last_error();
    if (is_own_action(now))
        return boost::outcome_v2::success();
    application_action.store(remember(now), std::memory_order_release);
    auto const own_action = action_before(now);
    if (::sigaction(SIGCHLD, &own_action, nullptr) < 0)
        return last_error();
    return boost::outcome_v2::success();
}

std::span<pid_t const> child_signal_pipe::take_hints(std::span<pid_t> buffer) noexcept
{
    auto const size = ::read(reading_, buffer.data(), buffer.size_bytes());
    return buffer.first(size < 0 ? 0 : static_cast<std::size_t>(size) / sizeof(pid_t));
}

void child_signal_pipe::hint(pid_t pid) noexcept
{
    // A write of this size is atomic. If the pipe is full, the hint is dropped: the pipe is readable already.
    [[maybe_unused]] auto const result = ::write(writing_, &pid, sizeof pid);
}

void child_signal_pipe::return_to_pool::operator()(child_signal_pipe* pipe) const noexcept { pipe->used_.store(false); }

result<child_signal_pipe_ptr> borrow_child_signal_pipe()
{
    auto* pipe = pipes.get().find_free();
    if (!pipe) {
        auto added = pipes.get().add();
        if (!added)
            return added.error();
        pipe = added.value();
    }
    return child_signal_pipe_ptr(pipe);
}

} // namespace brood::os
