// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/pending.hpp"
#include "os/signals.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

namespace brood::launch {
namespace {

class thread_launch final : public pending_launch {
public:
    thread_launch(std::shared_ptr<plan const> p, spawn_backend choice, pidfd_wish wish, os::unique_fd telling) noexcept
        : plan_(std::move(p)), choice_(choice), wish_(wish), telling_(std::move(telling))
    {}

    void run() noexcept
    {
        made_ = try_launch();
        plan_.reset();
        if (auto running = progress::under_way; !progress_.compare_exchange_strong(running, progress::made) && made_)
            kill_and_bury(made_.value().pid, {});
        telling_.reset();
    }

    std::optional<launched> take_child() noexcept override
    {
        auto made = progress::made;
        if (!progress_.compare_exchange_strong(made, progress::taken) || !made_)
            return std::nullopt;
        return std::move(made_).value();
    }

    error_code outcome() const noexcept override { return made_ ? error_code() : made_.error(); }

    void abandon() noexcept override
    {
        auto running = progress::under_way;
        progress_.compare_exchange_strong(running, progress::taken);
    }

private:
    enum class progress { under_way, made, taken };

    result<launched> try_launch() noexcept
    {
        try {
            return launch(*plan_, choice_, wish_);
        } catch (std::bad_alloc const&) {
            return make_error_code(spawn_stage::prepare, ENOMEM);
        }
    }

    std::shared_ptr<plan const> plan_;
    spawn_backend const choice_;
    pidfd_wish const wish_;
    os::unique_fd telling_;
    result<launched> made_ = error_code();
    std::atomic<progress> progress_ = progress::under_way;
};

// The signal would come at the thread's end, which is near.
bool must_outlive_its_thread(plan const& p) noexcept
{
    return std::any_of(
        p.steps.begin(), p.steps.end(), [](step const& s) { return s.what == action::set_death_signal; });
}

// False where no thread can be had.
bool run_aside(std::shared_ptr<thread_launch> const& what)
{
    try {
        os::application_signal_block const blocked; // none is handled on that thread
        std::thread([what] { what->run(); }).detach();
        return true;
    } catch (std::system_error const&) {
        return false;
    }
}

} // namespace

pending_result launch_on_thread(std::shared_ptr<plan> p, spawn_backend choice, pidfd_wish wish, os::unique_fd telling)
{
    bool const here = must_outlive_its_thread(*p);
    auto const made = std::make_shared<thread_launch>(std::move(p), choice, wish, std::move(telling));
    if (here || !run_aside(made))
        made->run();
    return pending_result(made);
}

} // namespace brood::launch
