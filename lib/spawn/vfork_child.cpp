// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/vfork_child.hpp"

#include "spawn/id_map_gate.hpp"
#include "spawn/kill_switch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace brood::detail {
namespace {

// The number of descriptors, from 0 on, that the child copies; -1 for all. The kernel copies whole words of its bitmap.
// The exec closes the descriptors of the last word that no step needs.
int count_copied(std::vector<step> const& steps) noexcept
{
    if (is_named_by_descriptor(steps))
        return -1;
    constexpr int word = 64;
    int highest = 2;
    bool closes_rest = false;
    for (auto const& s : steps) {
        switch (s.what) {
        case action::open_file:
        case action::change_root:
        case action::change_directory:
            if (may_name_descriptor(static_cast<char const*>(s.data)))
                return -1;
            break;
        default: break;
        }
        switch (s.what) {
        case action::dup_fd: highest = std::max({highest, s.a, s.b}); break;
        case action::open_file: highest = std::max(highest, s.b); break;
        case action::set_terminal:
        case action::set_foreground:
        case action::execute_image: highest = std::max(highest, s.a); break;
        case action::close_range: closes_rest = closes_rest || s.b == INT_MAX; break;
        default: break;
        }
    }
    return closes_rest && highest < INT_MAX - word ? (highest / word + 1) * word : -1;
}

} // namespace

result<spawned_child> vfork_child::clone(parent behaviour, pidfd_mode mode, int exec_pipe)
{
    if (is_contained(plan_)) {
        auto guard = guard_link::create(plan_);
        if (!guard)
            return guard.error();
        guard_ = std::move(guard).value();
    }
    if (needs_relay(plan_)) {
        relay_.emplace();
        if (auto error = relay_->prepare(plan_, exec_pipe, guard_.get()); error.failed())
            return error;
    }
    std::optional<id_map_gate> gate;
    if (plan_.id_maps) {
        auto created = id_map_gate::create();
        if (!created)
            return created.error();
        gate = std::move(created).value();
    }
    auto stack = borrow_stack();
    if (!stack)
        return make_error_code(spawn_stage::clone, stack.error().value());
    stack_ = std::move(stack).value();
    request_ = {shared_child_main, &args_, stack_->bottom(), stack_size, mode != pidfd_mode::none};
    if (!guard_)
        request_.cgroup = plan_.cgroup.get(); // otherwise the program enters it
    request_.namespaces = plan_.namespaces;
    args_ = child_args(steps());
    if (gate) {
        args_.gate = gate->child_end();
        args_.gate_writer = gate->parent_end();
    }
    args_.is_unreported = behaviour == parent::runs_on && exec_pipe < 0;
    args_.may_lead_group = plan_.may_lead_group && args_.is_unreported;
    args_.born_in_cgroup = true;
    if (kill_switch_ && guard_)
        kill_switch_->kill_by(guard_);
    else if (kill_switch_)
        args_.early = kill_switch_->child_view();
    args_.inherited = &request_.inherited;
    auto const kept = relay_ ? relay_->kept() : std::array{exec_pipe, -1, -1, -1};
    std::copy(kept.begin(), kept.end(), args_.kept);
    request_.wait = behaviour == parent::waits;
    args_.yield_first = !request_.wait;
    if (args_.is_unreported)
        request_.in_use = &stack_->in_use(); // otherwise the stack is returned after the report
    // A parent that runs on may close descriptors that the child still needs, so the table is not shared.
    if (request_.wait && !copies_all_ && os::can_unshare_descriptors())
        args_.unshare_below = count_copied(steps());
    request_.share_descriptors = args_.unshare_below >= 0;
    pid_t const pid = clone_blocking_signals(mode == pidfd_mode::wanted);
    if (pid < 0)
        return make_error_code(stage_of_clone(plan_, -pid), -pid);
    if (gate)
        gate->open(pid, *plan_.id_maps);
    if (relay_)
        relay_->close_child_end();
    if (guard_)
        guard_->close_guard_end();
    return spawned_child{pid, os::unique_fd(request_.pidfd), guard_};
}

void vfork_child::return_stack(std::weak_ptr<child_memory> rest) noexcept
{
    stack_->use_with(std::move(rest));
    stack_.reset();
}

// Before its exec, a signal does to the child what it would do after it: no handler is left, and ignored signals stay
// ignored. Only a signal that the plan blocks must not arrive before that step.
pid_t vfork_child::clone_blocking_signals(bool pidfd_is_optional) noexcept
{
    std::optional<os::signal_block> blocked;
    if (sets_mask(plan_))
        blocked.emplace();
    pid_t const pid = os::clone_sharing_memory(request_);
    if (pid != -EMFILE || !pidfd_is_optional)
        return pid;
    request_.want_pidfd = false;
    return os::clone_sharing_memory(request_);
}

error_code vfork_child::outcome() const noexcept
{
    // The kernel may kill whatever is born in a cgroup that has been killed before.
    if (!args_.has_begun && request_.cgroup >= 0)
        return make_error_code(spawn_stage::cgroup, ENOSYS); // another backend enters the cgroup later
    auto const [error, stage] = args_.report;
    auto const failure = error != 0 ? make_error_code(stage, error) : error_code();
    auto const outcome = relay_ ? relay_->outcome(failure) : failure;
    return guard_ && !outcome.failed() ? guard_->receive_start() : outcome;
}

} // namespace brood::detail
