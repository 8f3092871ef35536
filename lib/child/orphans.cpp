// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/orphans.hpp"

#include "child/child_state.hpp"
#include "os/module.hpp"
#include "os/signals.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

namespace brood::detail {
namespace {

// The little time that a killed child takes.
void wait_for(orphan const& child) noexcept
{
    if (os::wait_for_end(child.pid))
        (void)os::reap({child.pid, -1});
}

class orphanage {
public:
    void adopt(orphan& child)
    {
        std::lock_guard lock(mutex_);
        if (!running_ && !start() && child.killed)
            return wait_for(child); // no thread can be had
        later_.reserve(orphans_ + 1);
        auto state = std::make_shared<child_state>(context_.get_executor());
        state->adopt(child.pid, std::move(child.pidfd));
        state->lend(std::move(child.memory));
        ++orphans_;
        try {
            watch(state);
        } catch (std::exception const&) {
            later_.push_back(std::move(state));
            context_.stop();
        }
    }

    bool is_running() noexcept
    {
        std::lock_guard lock(mutex_);
        return running_;
    }

private:
    void watch(state_ptr state)
    {
        auto& waited_for = *state;
        waited_for.async_wait([this, state = std::move(state)](error_code ec, exit_status) mutable {
            std::lock_guard lock(mutex_);
            if (ec.failed() && ec != errc::status_lost)
                later_.push_back(std::move(state)); // the system is short of something
            else
                --orphans_;
            context_.stop(); // for the thread to look what is left to do
        });
    }

    // What the system may be short of is not needed here: neither descriptors, as a timer takes, nor memory.
    void try_again(std::unique_lock<std::mutex>& lock) noexcept
    {
        lock.unlock();
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        lock.lock();
        for (auto left = later_.size(); left > 0; --left) {
            auto const state = std::move(later_.front());
            later_.erase(later_.begin());
            lock.unlock();
            try {
                watch(state);
                lock.lock();
            } catch (std::exception const&) {
                lock.lock();
                later_.push_back(state); // there is room for all
            }
        }
    }

    // Without a thread, the orphans wait for the next attempt. The thread waits for the lock first.
    bool start() noexcept
    {
        os::keep_module_loaded();
        os::application_signal_block const blocked; // none is handled on this thread
        try {
            std::thread([this] { run(); }).detach();
            running_ = true;
        } catch (std::system_error const&) {}
        return running_;
    }

    void run()
    {
        std::unique_lock lock(mutex_);
        while (orphans_ > 0) {
            if (!later_.empty()) {
                try_again(lock);
                continue;
            }
            context_.restart(); // with the lock, so that nobody's stop is overlooked
            lock.unlock();
            context_.run();
            lock.lock();
        }
        running_ = false;
    }

    asio::io_context context_;
    std::mutex mutex_;
    std::size_t orphans_ = 0;
    std::vector<state_ptr> later_; // of those, who could not be watched; has room for all
    bool running_ = false;
};

// Never destroyed: its thread may still run while the program exits.
orphanage& home()
{
    static orphanage& instance = *new orphanage;
    return instance;
}

} // namespace

bool has_orphans() noexcept { return home().is_running(); }

void adopt_orphan(orphan child) noexcept
{
    try {
        home().adopt(child);
    } catch (std::exception const&) {
        // Out of memory: another child stays unreaped, which this process's end settles.
        if (child.killed)
            wait_for(child);
    }
}

} // namespace brood::detail
