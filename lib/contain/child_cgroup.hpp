// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CONTAIN_CHILD_CGROUP_HPP
#define BROOD_LIB_CONTAIN_CHILD_CGROUP_HPP

#include "contain/cgroup_root.hpp"
#include "os/cgroup.hpp"

#include <atomic>
#include <memory>
#include <string>

namespace brood::detail {

/// The cgroup in which a child is started, or the one that the children of a pipeline have below it.
/**
 * The cgroup is removed with this object.
 */
class child_cgroup {
public:
    /// `is_contained`: what is left in it when the program has ended is killed.
    static result<std::shared_ptr<child_cgroup>> create(std::shared_ptr<cgroup_root> root, bool is_contained);

    /// A cgroup for one of several programs. What they leave in it is killed when the last of them has ended.
    static result<std::shared_ptr<child_cgroup>> create_below(std::shared_ptr<child_cgroup> whole);

    /// For another attempt to start the program: a cgroup that has been killed may kill those that are born in it.
    result<std::shared_ptr<child_cgroup>> create_another() const;

    ~child_cgroup();

    child_cgroup(child_cgroup const&) = delete;
    child_cgroup& operator=(child_cgroup const&) = delete;

    bool is_contained() const noexcept { return is_contained_; }

    /// The cgroup that it was created below; null if there is none.
    std::shared_ptr<child_cgroup> const& pipeline() const noexcept { return whole_; }

    result<os::unique_fd> open() const noexcept;

    result<void> kill() noexcept;

    /// Called after the program has ended. Kills what is left, and returns whether everything has ended. Never blocks.
    result<bool> is_empty_after_end() noexcept;

    /// The same, without an effect on what `events` reports: a read takes the notification from others that wait for the
    /// same descriptor.
    result<bool> is_empty_after_end_by_others() noexcept;

    /// Has an exceptional condition when `is_empty_after_end` should be called again.
    int events() const noexcept
    {
        std::lock_guard lock(mutex_);
        return events_.get();
    }

    tree_usage usage() const noexcept;

private:
    child_cgroup(std::shared_ptr<cgroup_root> root, std::string name, bool is_contained)
        : root_(std::move(root)), name_(std::move(name)), is_contained_(is_contained)
    {}

    child_cgroup& whole() noexcept { return whole_ ? *whole_ : *this; }
    error_code make();
    bool leave() noexcept;
    child_cgroup* to_be_emptied() noexcept;
    result<bool> empty(os::unique_fd& events) noexcept;

    std::shared_ptr<cgroup_root> const root_;
    std::string const name_; // relative to the root
    bool const is_contained_;
    bool is_made_ = false;
    std::shared_ptr<child_cgroup> whole_;
    std::atomic<int> programs_ = 0; // below, that have not ended
    mutable std::mutex mutex_;      // guards what the end changes
    bool has_left_ = false, is_last_ = false;
    bool is_empty_ = false;
    std::atomic<bool> killed_ = false;
    os::unique_fd kill_, events_;
};

} // namespace brood::detail

#endif
