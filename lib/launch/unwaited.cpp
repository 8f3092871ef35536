// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/memory_sharer.hpp"
#include "launch/pending.hpp"
#include "launch/report.hpp"

#include <utility>

namespace brood::launch {
namespace {

class unwaited_launch final : public pending_launch {
public:
    unwaited_launch(std::shared_ptr<plan const> p, pooled_stack stack) noexcept
        : plan_(std::move(p)), sharer_(*plan_, plan_->steps, std::move(stack))
    {
        sharer_.set_disposal(os::raw::disposal::mark); // the child's way to tell stays open until exec
    }

    error_code clone(pidfd_wish wish, os::signal_block const& blocked) noexcept
    {
        auto made = sharer_.clone(memory_sharer::parent::goes_on, wish, blocked);
        if (!made)
            return made.error();
        child_ = std::move(made).value();
        return {};
    }

    std::optional<launched> take_child() noexcept override { return std::exchange(child_, std::nullopt); }
    error_code outcome() const noexcept override { return sharer_.told(); }
    void abandon() noexcept override {}

private:
    std::shared_ptr<plan const> plan_;
    memory_sharer sharer_;
    std::optional<launched> child_;
};

} // namespace

pending_result
launch_unwaited(std::shared_ptr<plan const> p, pidfd_wish wish, os::signal_block const& blocked, os::unique_fd& telling)
{
    if (auto ec = move_out_of_the_way(telling, *p); ec.failed())
        return ec;
    auto stack = borrow_stack();
    if (!stack)
        return make_error_code(spawn_stage::clone, stack.error().value());
    auto made = std::make_shared<unwaited_launch>(std::move(p), std::move(stack).value());
    if (auto ec = made->clone(wish, blocked); ec.failed())
        return ec;
    telling.reset(); // the child has its own
    return pending_result(std::move(made));
}

} // namespace brood::launch
