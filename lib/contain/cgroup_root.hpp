// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CONTAIN_CGROUP_ROOT_HPP
#define BROOD_LIB_CONTAIN_CGROUP_ROOT_HPP

#include "contain/watchdog.hpp"
#include "os/fork.hpp"
#include "os/unique_fd.hpp"

#include <brood/result.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

namespace brood::detail {

/// A cgroup that this process has created, and below which its children have cgroups of their own.
/**
 * A watchdog process (contain/watchdog.hpp) kills what is left in it, and removes it, when this object or this process
 * has ended.
 */
class cgroup_root {
public:
    /// The root below the cgroup of this process. Created on first use. Fails if the system does not let this process
    /// create one.
    static result<std::shared_ptr<cgroup_root>> of_process();

    /// A root below another cgroup.
    static result<std::shared_ptr<cgroup_root>> create(std::string const& parent);

    ~cgroup_root() { close(); }

    /// Kills every process in the cgroup, and lets the watchdog remove it. No further child can be started in it.
    void close() noexcept;

    std::string const& path() const noexcept { return path_; }
    int directory() const noexcept { return directory_.get(); }

    /// Whether more than the processor time of the cgroups below is counted.
    bool counts_all() const noexcept { return counts_all_; }

    /// False in a forked copy.
    bool is_own() const noexcept { return owner_ == os::own_pid(); }

    /// Starts another watchdog if it has been killed. Fails if this object has been closed, and in a forked copy.
    error_code ensure_guarded();

    /// A name that no other cgroup below has had.
    std::string next_name();

    /// Removes a cgroup below, now or later.
    void remove(std::string name) noexcept;

private:
    cgroup_root(std::string parent, std::string name)
        : parent_(std::move(parent)), name_(std::move(name)), path_(parent_ + '/' + name_)
    {}

    error_code open();
    error_code start_watchdog(bool is_created);
    bool is_guarded() const noexcept;
    bool try_remove(std::string const& name) noexcept;

    std::string const parent_, name_, path_;
    pid_t const owner_ = os::own_pid();
    os::unique_fd directory_;
    bool counts_all_ = false;
    std::atomic<bool> is_closed_ = false;
    std::mutex start_mutex_;   // one watchdog is started
    mutable std::mutex mutex_; // guards everything below
    os::private_fd link_;      // the watchdog sees it close
    unsigned long created_ = 0;
    std::deque<std::string> leftovers_; // a process was still in them
};

} // namespace brood::detail

#endif
