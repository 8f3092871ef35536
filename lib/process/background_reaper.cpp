// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/background_reaper.hpp"

#include "os/module.hpp"
#include "os/per_process.hpp"
#include "os/signals.hpp"
#include "process/child.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include <unistd.h>

namespace brood::detail {
namespace {

class background_reaper {
public:
    void add(unreaped_child& child)
    {
        std::lock_guard lock(mutex_);
        bool const started = running_ || start();
        bool const waits_here = !started && child.killed; // the wait is short
        if (waits_here && !(child.contained && child.contained->cgroup) && !child.kills_group)
            return os::wait_and_reap(child.pid);
        reserve();
        auto state = std::make_shared<child_state>(context_.get_executor());
        state->adopt(child.pid, std::move(child.pidfd), std::move(child.lost), std::move(child.contained));
        state->set_started({child.kills_group, child.kills_group, {}}, nullptr, false);
        state->hold_until_exit(std::move(child.memory));
        if (waits_here && state->wait())
            return;
        ++children_;
        if (!started)
            return retry_.push_back(std::move(state));
        wait_for(std::move(state));
    }

    std::shared_ptr<rest_watch> watch_rest(os::unique_fd pidfd, std::shared_ptr<child_cgroup> const& cgroup)
    {
        std::lock_guard lock(mutex_);
        if (!running_ && !start())
            return nullptr;
        reserve();
        new_rests_.push_back(std::make_shared<background_rest_watch>(*this, std::move(pidfd), cgroup));
        if (new_rests_.size() == 1) {
            begin_time_ = clock::now() + rest_delay;
            context_.stop(); // the thread waits until then
        }
        return new_rests_.back();
    }

    // Without a thread, the children that have ended are reaped here.
    void ensure_running()
    {
        std::lock_guard lock(mutex_);
        if (children_ == 0 || running_ || start())
            return;
        children_ -= std::erase_if(retry_, [](auto const& state) { return is_done(*state); });
    }

    bool is_running() noexcept
    {
        std::lock_guard lock(mutex_);
        return running_;
    }

private:
    // Makes room for one child more in `retry_`.
    void reserve()
    {
        if (retry_.capacity() <= children_)
            retry_.reserve(2 * children_ + 1);
    }

    // Whether the child has been reaped, or can never be: an error of waitid(2) is final, one of a cgroup is not.
    static bool is_done(child_state& state)
    {
        (void)state.try_wait();
        return state.has_ended();
    }

    // Waits until a child and what it leaves have ended. What watches for that shares it, and releases it also if
    // memory runs out.
    class background_rest_watch final : public rest_watch,
                                        public watch_observer,
                                        public std::enable_shared_from_this<background_rest_watch> {
    public:
        // Called with the reaper's lock.
        background_rest_watch(background_reaper& reaper, os::unique_fd pidfd, std::weak_ptr<child_cgroup> cgroup)
            : reaper_(reaper), cgroup_(std::move(cgroup)), pidfd_(std::move(pidfd)), number_(pidfd_.get())
        {
            ++reaper_.children_;
        }

        // A child's lock may be held. A forked copy has neither the thread nor its locks.
        ~background_rest_watch()
        {
            if (owner_ != os::own_pid())
                (void)watch_.release();
            else if (--reaper_.children_ == 0)
                reaper_.context_.stop();
        }

        // Returns false if there is a shortage and something is left: the thread tries again.
        bool begin(asio::any_io_executor const& executor) noexcept
        try {
            std::lock_guard lock(mutex_);
            if (!pidfd_ || is_all_over())
                return true;
            auto created = watch_pidfd(executor, pidfd_, shared_from_this());
            if (created)
                watch_ = std::move(created).value();
            return created.has_value();
        } catch (std::bad_alloc const&) {
            return false;
        }

        void stop() noexcept override
        {
            std::lock_guard lock(mutex_);
            pidfd_.reset();
            watch_.reset();
        }

    private:
        // The notification is a hint: a program that runs must not be killed.
        bool is_all_over() const
        {
            auto const exited = os::has_exited(number_);
            if (!exited || !exited.value())
                return false;
            auto const cgroup = cgroup_.lock();
            if (!cgroup)
                return true; // the child has been reaped
            auto const empty = cgroup->is_empty_after_end_by_others();
            return empty && empty.value();
        }

        // Returns false as `begin`.
        bool rearm() noexcept
        {
            std::lock_guard lock(mutex_);
            try {
                if (!watch_ || is_all_over() || !watch_->rearm(shared_from_this()).failed())
                    return true;
            } catch (std::bad_alloc const&) {}
            pidfd_ = watch_->release();
            watch_.reset();
            return false;
        }

        void on_ready(completion_mode) override
        {
            if (!rearm())
                reaper_.try_rest_again(shared_from_this());
        }

        void on_failure(error_code) override {} // the reactor is broken

        background_reaper& reaper_;
        pid_t const owner_ = os::own_pid();
        std::weak_ptr<child_cgroup> const cgroup_;
        std::mutex mutex_;
        os::unique_fd pidfd_; // until the watch owns it
        int const number_;
        std::unique_ptr<watch> watch_; // null before `begin` and after `stop`
    };

    using rest_ptr = std::shared_ptr<background_rest_watch>;

    // Most children are waited for and end soon: they cost neither a registration nor a wake-up. Called by the thread.
    void begin_new_rests(std::unique_lock<std::recursive_mutex>& lock) noexcept
    {
        auto begun = std::exchange(new_rests_, {});
        lock.unlock();
        std::erase_if(begun, [this](auto const& each) { return each->begin(context_.get_executor()); });
        lock.lock();
        if (new_rests_.empty()) { // needs no memory
            new_rests_.swap(begun);
            begin_time_ = clock::now() + shortage_delay;
        }
        for (auto& each : begun)
            try_rest_again(std::move(each));
    }

    // Without memory, the rest is left to the next wait.
    void try_rest_again(rest_ptr rest) noexcept
    try {
        std::lock_guard lock(mutex_);
        if (new_rests_.empty())
            begin_time_ = clock::now() + shortage_delay;
        new_rests_.push_back(std::move(rest));
        context_.stop(); // the thread waits until then
    } catch (std::bad_alloc const&) {}

    // The handler of a wait. If there is no memory for the wait or for its completion, it is destroyed instead.
    class wait_end {
    public:
        wait_end(background_reaper& reaper, std::shared_ptr<child_state> state)
            : reaper_(&reaper), state_(std::move(state))
        {}
        wait_end(wait_end&&) noexcept = default;

        ~wait_end()
        {
            if (state_)
                reaper_->on_wait_ended(std::move(state_));
        }

        void operator()(error_code, exit_status) { reaper_->on_wait_ended(std::move(state_)); }

    private:
        background_reaper* reaper_;
        std::shared_ptr<child_state> state_;
    };

    void wait_for(std::shared_ptr<child_state> state) noexcept
    {
        auto& child = *state;
        try {
            child.async_wait(wait_end(*this, std::move(state)));
        } catch (std::exception const&) {} // the handler has been destroyed, on this thread
    }

    void on_wait_ended(std::shared_ptr<child_state> state) noexcept
    {
        std::lock_guard lock(mutex_);
        if (is_done(*state))
            --children_;
        else
            retry_.push_back(std::move(state)); // a resource is not available; the capacity is reserved
        context_.stop();                        // the thread checks what remains
    }

    // Uses neither a descriptor nor memory, which may not be available: no timer.
    void try_again(std::unique_lock<std::recursive_mutex>& lock) noexcept
    {
        lock.unlock();
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        lock.lock();
        for (auto left = retry_.size(); left > 0; --left) {
            auto state = std::move(retry_.front());
            retry_.erase(retry_.begin());
            lock.unlock();
            wait_for(std::move(state));
            lock.lock();
        }
    }

    // If no thread can be created, the children wait for the next `ensure_running`. The thread first waits for the
    // lock.
    bool start() noexcept
    {
        os::keep_module_loaded();
        os::application_signal_block const blocked; // the thread handles no signal
        try {
            std::thread([this] { run(); }).detach();
            running_ = true;
        } catch (std::exception const&) {} // no thread or no memory
        return running_;
    }

    void run()
    {
        auto const work = asio::make_work_guard(context_); // until stop()
        std::unique_lock lock(mutex_);
        for (;;) {
            context_.restart(); // before what is checked: no stop() is lost
            if (children_ == 0)
                break;
            if (!retry_.empty())
                try_again(lock);
            bool const is_complete = retry_.empty();
            bool const has_new_rests = !new_rests_.empty();
            lock.unlock();
            try {
                if (!is_complete)
                    context_.poll();
                else if (has_new_rests)
                    context_.run_until(begin_time_);
                else
                    context_.run();
            } catch (std::bad_alloc const&) {} // thrown by the reactor, which has lost no event
            lock.lock();
            if (has_new_rests && clock::now() >= begin_time_)
                begin_new_rests(lock);
        }
        running_ = false;
    }

    using clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds rest_delay{20}, shortage_delay{100};

    asio::io_context context_;
    std::recursive_mutex mutex_;                      // a wait that cannot be started ends at once
    std::atomic<std::size_t> children_ = 0;           // grows with the lock
    std::vector<std::shared_ptr<child_state>> retry_; // the children that could not be watched; has room for all
    std::vector<rest_ptr> new_rests_;                 // watched from `begin_time_` on
    clock::time_point begin_time_;
    bool running_ = false;
};

constinit os::per_process<background_reaper> the_reaper;

/// The running children for which there was no memory. They are reaped by `reap_background_children`.
class unrecorded_children {
public:
    void add(pid_t pid) noexcept
    {
        pid_t none = 0;
        for (auto& place : slots_)
            if (place.pid.compare_exchange_strong(none, pid)) {
                place.parent = os::own_pid();
                return;
            } else {
                none = 0;
            }
        // More of them stay zombies until this process ends.
    }

    void reap_ended() noexcept
    {
        for (auto& place : slots_)
            if (pid_t const pid = place.pid; pid != 0 && place.parent == os::own_pid())
                if (auto const end = os::reap({pid, -1}); !end || end.value())
                    place.pid = 0;
    }

private:
    struct slot {
        std::atomic<pid_t> pid = 0;
        std::atomic<pid_t> parent = 0;
    };

    std::array<slot, 32> slots_;
};

constinit unrecorded_children unrecorded;

} // namespace

bool is_reaping_in_background() noexcept
{
    auto* const reaper = the_reaper.find();
    return reaper && reaper->is_running();
}

void reap_background_children() noexcept
{
    unrecorded.reap_ended();
    try {
        if (auto* const reaper = the_reaper.find())
            reaper->ensure_running();
    } catch (std::bad_alloc const&) {} // the next call tries again
}

void end_rest_in_background(child_state& child) noexcept
{
    auto const cgroup = child.contained_cgroup();
    if (!cgroup)
        return;
    try {
        if (auto pidfd = child.duplicate_pidfd())
            child.set_rest_watch(the_reaper.get().watch_rest(std::move(pidfd), cgroup));
    } catch (std::exception const&) {} // no memory: left to the next wait
}

void reap_in_background(unreaped_child child) noexcept
{
    try {
        the_reaper.get().add(child);
    } catch (std::exception const&) {
        if (child.killed)
            os::wait_and_reap(child.pid);
        else
            unrecorded.add(child.pid);
    }
}

} // namespace brood::detail
