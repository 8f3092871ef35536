// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "contain/cgroup_root.hpp"

#include "os/cgroup.hpp"
#include "os/descriptors.hpp"
#include "os/per_process.hpp"
#include "os/process.hpp"
#include "os/raw.hpp"
#include "spawn/launcher.hpp"
#include "spawn/relay.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <new>

#include <fcntl.h>
#include <signal.h>

namespace brood::detail {
namespace {

error_code in_stage(error_code const& error) { return make_error_code(spawn_stage::cgroup, error.value()); }

bool is_permanent(int error) noexcept
{
    return error == EACCES || error == EPERM || error == EROFS || error == ENOENT || error == ENOTSUP;
}

std::string new_root_name()
{
    static std::atomic<unsigned> count = 0;
    return "brood-" + std::to_string(os::own_pid()) + '-' + std::to_string(++count);
}

struct process_root {
    std::mutex mutex;
    std::shared_ptr<cgroup_root> root;
    bool is_impossible = false;
};

constinit os::per_process<process_root> the_root;

} // namespace

result<std::shared_ptr<cgroup_root>> cgroup_root::of_process()
{
    auto& [mutex, root, is_impossible] = the_root.get();
    std::lock_guard lock(mutex);
    if (root)
        return root;
    if (is_impossible)
        return make_error_code(spawn_stage::cgroup, ENOTSUP);
    auto own = os::own_cgroup();
    auto created = own ? create(std::move(own).value()) : result<std::shared_ptr<cgroup_root>>(own.error());
    if (!created) {
        is_impossible = is_permanent(created.error().value());
        return in_stage(created.error());
    }
    root = std::move(created).value();
    return root;
}

// Another process may have had the same pid, in another PID namespace or before.
result<std::shared_ptr<cgroup_root>> cgroup_root::create(std::string const& parent)
{
    constexpr int most_attempts = 100;
    auto error = make_error_code(spawn_stage::cgroup, EEXIST);
    for (int attempt = 0; attempt < most_attempts && error.value() == EEXIST; ++attempt) {
        std::shared_ptr<cgroup_root> root(new cgroup_root(parent, new_root_name()));
        error = root->open();
        if (!error.failed())
            return root;
    }
    return in_stage(error);
}

error_code cgroup_root::open()
{
    if (auto error = start_watchdog(false); error.failed())
        return error;
    auto opened = os::open_cgroup(path_.c_str());
    if (opened)
        opened = os::above_standard(std::move(opened).value());
    if (!opened)
        return opened.error();
    directory_ = std::move(opened).value();
    counts_all_ = os::enable_counters(directory());
    return os::check_usable_cgroup(directory());
}

error_code cgroup_root::ensure_guarded()
{
    std::lock_guard lock(start_mutex_);
    if (!is_own() || is_closed_)
        return make_error_code(spawn_stage::cgroup, ENOENT);
    return is_guarded() ? error_code() : in_stage(start_watchdog(true));
}

// The watchdog is the child of a child that ends at once.
error_code cgroup_root::start_watchdog(bool is_created)
{
    auto const above = os::open_cgroup(parent_.c_str());
    if (!above)
        return above.error();
    watchdog_task task{-1, above.value().get(), is_created, {}};
    name_.copy(task.name, sizeof task.name - 1);
    os::private_fd link, watchdog_end;
    {
        os::fork_block const block;
        auto pipe = os::make_pipe();
        if (!pipe)
            return pipe.error();
        link = os::private_fd(std::move(pipe.value().first), block);
        watchdog_end = os::private_fd(std::move(pipe.value().second), block);
    }
    {
        std::lock_guard lock(mutex_);
        link_ = std::move(link);
    }
    task.link = watchdog_end.get();
    auto const files = make_watchdog_files(task);
    if (!files)
        return files.error();

    char number[16] = {};
    std::to_chars(number, number + sizeof number - 1, files.value().parcel());
    char none[] = "0"; // it reports nothing
    char* const arguments[] = {number, none, nullptr};
    char* const environment[] = {nullptr};
    exec_target const program{nullptr, arguments, environment};
    plan p;
    p.mask = os::raw::all_signals; // a signal to the process group of this process must not end it
    p.steps.push_back({action::set_mask, spawn_stage::signals, 0, 0, &p.mask});
    for (int const fd : {files.value().parcel(), task.link, task.above})
        p.steps.push_back({action::dup_fd, spawn_stage::stdio, fd, fd});
    p.steps.push_back({action::execute_image, spawn_stage::exec, files.value().program(), 0, &program});
    auto const launched = launch(p, spawn_backend::automatic, pidfd_mode::none);
    if (!launched && relay_files::is_refused(launched.error()) && files.value().replace())
        return start_watchdog(is_created);
    if (!launched)
        return launched.error();
    watchdog_end.reset();
    (void)os::wait_for_end(launched.value().pid);
    auto const end = os::reap({launched.value().pid, -1}); // fails if other code reaps this process's children
    if (end && end.value() && end.value()->code == CLD_EXITED && end.value()->status != 0)
        return make_error_code(spawn_stage::cgroup, end.value()->status);
    return is_guarded() ? error_code() : make_error_code(spawn_stage::cgroup, ENOTSUP);
}

// In a forked copy, the cgroup is still that of the other process.
void cgroup_root::close() noexcept
{
    if (!is_own() || is_closed_.exchange(true))
        return;
    if (directory_)
        (void)os::kill_cgroup(directory());
    bool const removes_itself = !is_guarded();
    {
        std::lock_guard lock(mutex_);
        link_.reset();
    }
    if (removes_itself && directory_)
        (void)os::remove_cgroup(AT_FDCWD, path_.c_str());
}

bool cgroup_root::is_guarded() const noexcept
{
    std::lock_guard lock(mutex_);
    return is_own() && link_ && !os::is_hung_up(link_.get());
}

std::string cgroup_root::next_name()
{
    std::lock_guard lock(mutex_);
    constexpr std::size_t most = 4; // the first ones are tried again later
    for (auto i = std::min(most, leftovers_.size()); i > 0; --i) {
        auto name = std::move(leftovers_.front());
        leftovers_.pop_front();
        if (!try_remove(name))
            leftovers_.push_back(std::move(name));
    }
    return std::to_string(++created_);
}

// A process that has just ended may still be in its cgroup.
void cgroup_root::remove(std::string name) noexcept
{
    if (!is_own() || try_remove(name))
        return;
    try {
        std::lock_guard lock(mutex_);
        leftovers_.push_back(std::move(name));
    } catch (std::bad_alloc const&) {} // the watchdog removes it
}

bool cgroup_root::try_remove(std::string const& name) noexcept
{
    auto const removed = os::remove_cgroup(directory(), name.c_str());
    return removed || removed.error().value() != EBUSY;
}

} // namespace brood::detail
