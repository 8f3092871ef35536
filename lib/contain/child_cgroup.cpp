// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "contain/child_cgroup.hpp"

#include <cerrno>
#include <utility>

namespace brood::detail {
namespace {

// The root has been removed with everything in it.
bool is_gone(error_code const& error) noexcept { return error.value() == ENOENT || error.value() == ENODEV; }

} // namespace

result<std::shared_ptr<child_cgroup>> child_cgroup::create(std::shared_ptr<cgroup_root> root, bool is_contained)
{
    if (auto error = root->ensure_guarded(); error.failed())
        return error;
    auto name = root->next_name();
    std::shared_ptr<child_cgroup> created(new child_cgroup(std::move(root), std::move(name), is_contained));
    if (auto error = created->make(); error.failed())
        return error;
    return created;
}

result<std::shared_ptr<child_cgroup>> child_cgroup::create_below(std::shared_ptr<child_cgroup> whole)
{
    auto name = whole->name_ + '/' + whole->root_->next_name();
    std::shared_ptr<child_cgroup> created(new child_cgroup(whole->root_, std::move(name), true));
    if (auto error = created->make(); error.failed())
        return error;
    created->whole_ = std::move(whole);
    ++created->whole_->programs_;
    return created;
}

error_code child_cgroup::make()
{
    auto const made = os::create_cgroup(root_->directory(), name_.c_str());
    is_made_ = made.has_value();
    if (!made)
        return make_error_code(spawn_stage::cgroup, made.error().value());
    auto opened = os::open_cgroup_kill(root_->directory(), name_.c_str());
    if (!opened)
        return make_error_code(spawn_stage::cgroup, opened.error().value());
    kill_ = std::move(opened).value();
    return {};
}

result<std::shared_ptr<child_cgroup>> child_cgroup::create_another() const
{
    return whole_ ? create_below(whole_) : create(root_, is_contained_);
}

child_cgroup::~child_cgroup()
{
    if (!is_made_ || !root_->is_own())
        return;
    bool const is_last = leave();
    if (is_contained_ && !is_empty_ && (!whole_ || is_last))
        (void)whole().kill();
    root_->remove(name_);
}

result<os::unique_fd> child_cgroup::open() const noexcept
{
    return os::open_cgroup_in(root_->directory(), name_.c_str());
}

result<void> child_cgroup::kill() noexcept
{
    killed_ = true;
    return os::kill_cgroup_by(kill_.get());
}

// Whether this is the last of several programs.
bool child_cgroup::leave() noexcept
{
    if (whole_ && !std::exchange(has_left_, true))
        is_last_ = --whole_->programs_ == 0;
    return is_last_;
}

// What another program of a pipeline leaves may run until the last one ends.
child_cgroup* child_cgroup::to_be_emptied() noexcept
{
    if (!is_contained_)
        return nullptr;
    if (!whole_ || leave())
        return &whole();
    return killed_ ? this : nullptr;
}

result<bool> child_cgroup::is_empty_after_end() noexcept
{
    std::lock_guard lock(mutex_);
    return empty(events_);
}

result<bool> child_cgroup::is_empty_after_end_by_others() noexcept
{
    std::lock_guard lock(mutex_);
    os::unique_fd events;
    return empty(events);
}

result<bool> child_cgroup::empty(os::unique_fd& events) noexcept
{
    auto* const waited = to_be_emptied();
    if (!waited)
        return true;
    if (!events) {
        auto opened = os::open_cgroup_events(root_->directory(), waited->name_.c_str());
        if (!opened && is_gone(opened.error()))
            return true;
        if (!opened)
            return opened.error();
        events = std::move(opened).value();
    }
    auto populated = os::is_populated(events.get());
    if (populated && populated.value()) {
        if (auto const killed = waited->kill(); !killed)
            return killed.error();
        populated = os::is_populated(events.get()); // many are gone by now
    }
    if (!populated)
        return populated.error();
    is_empty_ = !populated.value();
    return is_empty_;
}

tree_usage child_cgroup::usage() const noexcept
{
    auto const directory = open();
    return directory ? os::read_usage(directory.value().get(), root_->counts_all()) : tree_usage();
}

} // namespace brood::detail
