// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/memory_sharer.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>

namespace brood::launch {
namespace {

// A clone that fails for want of something would have failed without a cgroup, too.
spawn_stage stage_of_clone(plan const& p, int error) noexcept
{
    bool const shortage = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
    return p.cgroup && !shortage ? spawn_stage::cgroup : spawn_stage::clone;
}

// How many descriptors the child is to have copies of, from 0 on; -1 where it is to have all. The kernel copies them by
// words of a bitmap anyway. Those in the last word that no step needs are closed by the exec, when the parent goes on.
int count_copied(std::vector<step> const& steps) noexcept
{
    constexpr int word = 64;
    int highest = 2;
    bool closes_rest = false;
    for (auto const& s : steps)
        switch (s.what) {
        case action::move_fd: highest = std::max({highest, s.a, s.b}); break;
        case action::set_terminal:
        case action::execute_image: highest = std::max(highest, s.a); break;
        case action::close_range: closes_rest = closes_rest || s.b == INT_MAX; break;
        default: break;
        }
    return closes_rest && highest < INT_MAX - word ? (highest / word + 1) * word : -1;
}

} // namespace

memory_sharer::memory_sharer(plan const& p, std::vector<step> const& steps, pooled_stack stack) noexcept
    : plan_(p),
      steps_(steps),
      stack_(std::move(stack)),
      request_{shared_child_main, &child_, stack_.bottom(), stack_size, false},
      child_{child_args(steps, 0), &request_.handlers_kept}
{
    request_.cgroup = p.cgroup.get();
    child_.args.born_in_cgroup = true;
}

result<launched> memory_sharer::clone(parent what, pidfd_wish wish, os::signal_block const& blocked) noexcept
{
    child_.args.inherited_mask = blocked.previous();
    request_.wait = what == parent::waits;
    child_.parent_first = !request_.wait;
    // While the parent goes on it may close what the child still needs.
    if (request_.wait && os::can_unshare_descriptors())
        child_.args.kept_below = count_copied(steps_);
    request_.share_descriptors = child_.args.kept_below >= 0;
    request_.want_pidfd = wish != pidfd_wish::none;
    pid_t pid = os::clone_sharing_memory(request_);
    if (pid == -EMFILE && wish == pidfd_wish::wanted) {
        request_.want_pidfd = false;
        pid = os::clone_sharing_memory(request_);
    }
    if (pid < 0)
        return make_error_code(stage_of_clone(plan_, -pid), -pid);
    return launched{pid, os::unique_fd(request_.pidfd)};
}

error_code memory_sharer::told() const noexcept
{
    auto const [error, stage] = child_.report;
    return error != 0 ? make_error_code(stage, error) : error_code();
}

} // namespace brood::launch
