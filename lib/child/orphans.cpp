// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "child/orphans.hpp"

#include "child/child_state.hpp"
#include "os/signals.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <mutex>
#include <thread>

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
        auto state = std::make_shared<child_state>(context_.get_executor());
        state->adopt(child.pid, std::move(child.pidfd));
        state->lend(std::move(child.memory));
        ++orphans_;
        watch(std::move(state));
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
            if (ec.failed() && ec != errc::status_lost)
                return try_later(std::move(state)); // the system is short of something
            std::lock_guard lock(mutex_);
            --orphans_;
        });
    }

    void try_later(state_ptr state)
    {
        auto timer = std::make_shared<asio::steady_timer>(context_, std::chrono::milliseconds(100));
        timer->async_wait([this, timer, state = std::move(state)](error_code) mutable { watch(std::move(state)); });
    }

    // Without a thread, the orphans wait for the next attempt. The thread waits for the lock first.
    bool start() noexcept
    {
        os::signal_block blocked; // no signal of the application's is handled on this thread
        try {
            std::thread([this] { run(); }).detach();
            running_ = true;
        } catch (std::system_error const&) {}
        return running_;
    }

    void run()
    {
        os::block_application_signals();
        std::unique_lock lock(mutex_);
        while (orphans_ > 0) {
            lock.unlock();
            context_.restart();
            context_.run();
            lock.lock();
        }
        running_ = false;
    }

    asio::io_context context_;
    std::mutex mutex_;
    std::size_t orphans_ = 0;
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
