// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CONTAIN_CGROUP_ROOT_HPP
#define BROOD_LIB_CONTAIN_CGROUP_ROOT_HPP

#include "contain/watchdog.hpp"
#include "os/fork.hpp"
#include "os/unique_fd.hpp"

#include <brood/result.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

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
    static result<std::shared_ptr<cgroup_root>> create(std::string parent);

    ~cgroup_root() { close(); }

    /// Kills every process in the cgroup, and lets the watchdog remove it. No further child can be started in it.
    void close() noexcept;

    std::string const& path() const noexcept { return path_; }
    int directory() const noexcept { return directory_.get(); }

    /// False in a forked copy.
    bool is_own() const noexcept { return owner_ == os::own_pid(); }

    /// Whether this process has created it and the watchdog lives.
    bool is_guarded() const noexcept;

    /// A name that no other cgroup below has had.
    std::string next_name();

    /// Removes a cgroup below, now or later.
    void remove(std::string name) noexcept;

private:
    explicit cgroup_root(std::string path) : path_(std::move(path)) {}

    error_code open(int above, std::string const& name);
    error_code start_watchdog(watchdog_task task);
    bool try_remove(std::string const& name) noexcept;

    std::string const path_;
    pid_t const owner_ = os::own_pid();
    os::unique_fd directory_;
    mutable std::mutex mutex_; // guards everything below
    os::private_fd link_;      // the watchdog sees it close
    unsigned long created_ = 0;
    std::vector<std::string> leftovers_; // a process was still in them
};

} // namespace brood::detail

#endif
