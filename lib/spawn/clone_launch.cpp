// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/async_launch.hpp"
#include "spawn/report_channel.hpp"
#include "spawn/vfork_child.hpp"

#include <utility>

namespace brood::detail {
namespace {

class clone_launch final : public async_launch, public child_memory, public std::enable_shared_from_this<clone_launch> {
public:
    explicit clone_launch(std::shared_ptr<plan const> p) noexcept : plan_(std::move(p)), child_(*plan_) {}

    error_code clone(pidfd_mode mode, int exec_pipe)
    {
        auto cloned = child_.clone(vfork_child::parent::runs_on, mode, exec_pipe);
        if (!cloned)
            return cloned.error();
        spawned_ = std::move(cloned).value();
        if (exec_pipe < 0)
            child_.return_stack(weak_from_this());
        return {};
    }

    void release() noexcept override { plan_.reset(); }

    std::optional<spawned_child> take_child() noexcept override { return std::exchange(spawned_, std::nullopt); }
    bool tries_one_backend() const noexcept override { return true; }
    error_code outcome() const noexcept override { return child_.outcome(); }
    void kill() noexcept override {} // the caller has taken the child
    void abandon() noexcept override {}

private:
    std::shared_ptr<plan const> plan_;
    vfork_child child_;
    std::optional<spawned_child> spawned_;
};

} // namespace

async_launch_result clone_async(std::shared_ptr<plan const> p, pidfd_mode mode, os::private_fd& exec_pipe)
{
    if (exec_pipe)
        if (auto error = move_above_targets(exec_pipe, *p); error.failed())
            return error;
    auto launch = std::make_shared<clone_launch>(std::move(p));
    if (auto error = launch->clone(mode, exec_pipe.get()); error.failed())
        return error;
    exec_pipe.reset(); // the child has its own copy
    return async_launch_result(std::move(launch));
}

} // namespace brood::detail
