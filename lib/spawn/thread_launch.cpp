// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/signals.hpp"
#include "spawn/async_launch.hpp"
#include "spawn/kill_switch.hpp"
#include "spawn/launcher.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>
#include <thread>
#include <utility>

namespace brood::detail {
namespace {

class thread_launch final : public async_launch {
public:
    thread_launch(
        std::shared_ptr<plan const> p, spawn_backend choice, pidfd_mode mode, os::private_fd exec_pipe) noexcept
        : plan_(std::move(p)),
          choice_(choice),
          mode_(mode),
          exec_pipe_(std::move(exec_pipe)),
          kill_switch_(plan_->leads_group)
    {}

    void run() noexcept
    {
        launched_ = try_launch();
        plan_.reset();
        auto running = progress::running;
        if (!progress_.compare_exchange_strong(running, progress::launched) && launched_)
            kill_and_reap(launched_.value(), {}); // abandoned
        exec_pipe_.reset();
    }

    std::optional<spawned_child> take_child() noexcept override
    {
        auto launched = progress::launched;
        if (!progress_.compare_exchange_strong(launched, progress::taken) || !launched_)
            return std::nullopt;
        return std::move(launched_).value();
    }

    bool tries_one_backend() const noexcept override { return false; }
    error_code outcome() const noexcept override { return launched_ ? error_code() : launched_.error(); }

    void kill() noexcept override { kill_switch_.kill(); }

    void abandon() noexcept override
    {
        auto running = progress::running;
        if (progress_.compare_exchange_strong(running, progress::taken))
            kill();
    }

private:
    enum class progress { running, launched, taken };

    result<spawned_child> try_launch() noexcept
    {
        try {
            return launch(*plan_, choice_, mode_, &kill_switch_);
        } catch (std::bad_alloc const&) {
            return make_error_code(spawn_stage::prepare, ENOMEM);
        }
    }

    std::shared_ptr<plan const> plan_;
    spawn_backend const choice_;
    pidfd_mode const mode_;
    os::private_fd exec_pipe_;
    kill_switch kill_switch_;
    result<spawned_child> launched_ = error_code();
    std::atomic<progress> progress_ = progress::running;
};

bool run_on_thread(std::shared_ptr<thread_launch> const& launch)
{
    try {
        os::application_signal_block const blocked; // the thread handles no signal
        std::thread([launch] { launch->run(); }).detach();
        return true;
    } catch (std::exception const&) { // no thread or no memory
        return false;
    }
}

} // namespace

// The parent-death signal would be sent when the thread ends.
bool requires_calling_thread(plan const& p) noexcept
{
    return std::any_of(
        p.steps.begin(), p.steps.end(), [](step const& s) { return s.what == action::set_death_signal; });
}

async_launch_result
launch_on_thread(std::shared_ptr<plan> p, spawn_backend choice, pidfd_mode mode, os::private_fd exec_pipe)
{
    keep_initiator_mask(*p);
    bool const here = requires_calling_thread(*p);
    auto const launch = std::make_shared<thread_launch>(std::move(p), choice, mode, std::move(exec_pipe));
    if (here || !run_on_thread(launch))
        launch->run();
    return async_launch_result(launch);
}

} // namespace brood::detail
