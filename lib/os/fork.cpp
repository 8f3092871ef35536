// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/fork.hpp"

#include "os/memory.hpp"
#include "os/namespaces.hpp"

#include <brood/environment.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <new>
#include <vector>

#include <pthread.h>
#include <unistd.h>

namespace brood::os {
namespace {

struct private_fds {
    std::mutex mutex; // held during every fork
    std::vector<int> open;
};

// Never destroyed: threads may use it while the program exits.
private_fds& the_private_fds() noexcept
{
    alignas(private_fds) static char storage[sizeof(private_fds)];
    static private_fds& instance = *new (storage) private_fds;
    return instance;
}

std::mutex environment; // held during every fork: a forked process could not unlock it

// What `fork_process` keeps. The library's child needs descriptors of its own until its exec.
thread_local std::span<int const> kept_in_child;

// The pid, or 0. The kernel wipes it in every forked process. An emulator may not, so that the handler resets it, too.
// Null if the pid cannot be kept.
std::atomic<pid_t>* kept_pid() noexcept
{
    static_assert(std::atomic<pid_t>::is_always_lock_free);
    static std::atomic<pid_t>* const kept = [] {
        void* const page = map_wiped_on_fork();
        return page ? new (page) std::atomic<pid_t>(0) : nullptr;
    }();
    return kept;
}

void before_fork() noexcept
{
    the_private_fds().mutex.lock();
    environment.lock();
}

void after_fork_in_parent() noexcept
{
    environment.unlock();
    the_private_fds().mutex.unlock();
}

void after_fork_in_child() noexcept
{
    environment.unlock();
    if (auto* const kept = kept_pid())
        kept->store(0, std::memory_order_relaxed);
    auto& fds = the_private_fds();
    std::erase_if(fds.open, [](int fd) {
        bool const kept = std::find(kept_in_child.begin(), kept_in_child.end(), fd) != kept_in_child.end();
        return !kept && ::close(fd) == 0; // one that is kept is closed in a process that the child forks
    });
    fds.mutex.unlock();
}

// If there is no memory for the handlers, forked processes keep copies of private descriptors.
void install_fork_handlers() noexcept
{
    [[maybe_unused]] static int const installed =
        ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

pid_t fork_by_libc() noexcept
{
    pid_t const pid = ::fork();
    return pid < 0 ? -errno : pid;
}

// libc's fork cannot create namespaces.
pid_t fork_raw(std::uint64_t namespaces) noexcept
{
    before_fork();
    pid_t const pid = fork_in_namespaces(namespaces);
    if (pid == 0)
        after_fork_in_child();
    else
        after_fork_in_parent();
    return pid;
}

} // namespace

pid_t own_pid() noexcept
{
    auto* const kept = kept_pid();
    if (!kept)
        return ::getpid();
    if (pid_t const known = kept->load(std::memory_order_relaxed))
        return known;
    install_fork_handlers();
    pid_t const pid = ::getpid();
    kept->store(pid, std::memory_order_relaxed);
    return pid;
}

pid_t fork_process(std::span<int const> kept, std::uint64_t namespaces) noexcept
{
    kept_in_child = kept;
    pid_t const pid = namespaces == 0 ? fork_by_libc() : fork_raw(namespaces);
    kept_in_child = {};
    return pid;
}

fork_block::fork_block() noexcept
{
    install_fork_handlers();
    the_private_fds().mutex.lock();
}

fork_block::~fork_block() { the_private_fds().mutex.unlock(); }

private_fd::private_fd(unique_fd fd, fork_block const&)
{
    if (!fd)
        return;
    the_private_fds().open.push_back(fd.get());
    fd_ = fd.release();
    owner_ = own_pid();
}

void private_fd::reset() noexcept
{
    int const fd = std::exchange(fd_, -1);
    if (fd < 0 || owner_ != own_pid())
        return;
    fork_block const block;
    auto& open = the_private_fds().open;
    open.erase(std::find(open.begin(), open.end(), fd));
    ::close(fd);
}

} // namespace brood::os

namespace brood {

std::mutex& environment_mutex() noexcept
{
    os::install_fork_handlers();
    return os::environment;
}

} // namespace brood
