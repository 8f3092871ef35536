// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/child_signal.hpp"
#include "os/process.hpp"
#include "reap/loop_executor.hpp"
#include "reap/with_reactor.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace brood::reap {
namespace {

class sigchld_service;

// Every child of the process that is waited for by SIGCHLD, whatever its context: an entry that is there proves that
// its context's service still is.
struct registry {
    struct entry {
        observer_ptr told;
        sigchld_service* service;
        watch const* owner;
    };

    std::mutex mutex; // also guards the services
    std::unordered_map<pid_t, entry> entries;
};

// Never destroyed: a thread may still reap while the program exits.
registry& the_registry() noexcept
{
    static registry& instance = *new registry;
    return instance;
}

/// One context's way to notice SIGCHLD: a self-pipe in its reactor, and a timer in case the signal gets lost.
/**
 * The pipe brings pids, each of which costs the same to ask for whatever the number of children. It does not bring
 * all: after the last one, a sweep looks whether anybody else has ended. A sweep's cost grows with the number of
 * children, so they are paced to take about a tenth of the time at most.
 */
class sigchld_service final : public asio::execution_context::service {
    using clock = std::chrono::steady_clock;
    using timer = asio::basic_waitable_timer<clock, asio::wait_traits<clock>, loop_executor>;

public:
    static inline asio::execution_context::id id;

    explicit sigchld_service(asio::execution_context& context) : service(context), loop_(context) {}

    // All but shutdown() is called with the registry's lock held.

    error_code open()
    {
        if (auto handler = os::ensure_child_signal_handler(); !handler)
            return handler.error();
        if (reader_)
            return {};
        auto pipe = os::borrow_child_signal_pipe();
        if (!pipe)
            return pipe.error();
        reader_.emplace(loop_);
        error_code ec;
        reader_->assign(pipe.value()->reading_end(), ec);
        if (ec.failed()) {
            reader_.reset();
            return ec;
        }
        pipe_ = std::move(pipe).value();
        tick_.emplace(loop_);
        pause_.emplace(loop_);
        return {};
    }

    void watch_one()
    {
        if (++watched_ > 1)
            return;
        try {
            if (!listening_)
                listen();
            wait_for_tick();
        } catch (...) {
            unwatch_one();
            throw;
        }
    }

    void unwatch_one()
    {
        if (--watched_ > 0)
            return;
        error_code ignored;
        reader_->cancel(ignored);
        tick_->cancel();
        pause_->cancel();
    }

    void hint(pid_t pid) noexcept { pipe_->hint(pid); }

private:
    void shutdown() override
    {
        auto& all = the_registry();
        std::vector<observer_ptr> dropped; // outlives the lock: their ends may come back here
        std::lock_guard lock(all.mutex);
        for (auto i = all.entries.begin(); i != all.entries.end();)
            if (i->second.service == this) {
                dropped.push_back(std::move(i->second.told));
                i = all.entries.erase(i);
            } else {
                ++i;
            }
        if (reader_)
            reader_->release(); // the pipe goes back to the pool open
        reader_.reset();
        tick_.reset();
        pause_.reset();
        pipe_.reset();
    }

    void listen()
    {
        reader_->async_wait(asio::posix::descriptor_base::wait_read, [this](error_code ec) { on_signal(ec); });
        listening_ = true; // unless there is no memory for that
    }

    // It listens again before it tells: handlers that are called in here may take their time, or throw. It looks for
    // others when those that are told have been reaped, or else would always find something.
    void on_signal(error_code ec)
    {
        std::array<pid_t, most_at_once> room;
        std::array<observer_ptr, most_at_once> told;
        std::size_t count = 0;
        bool full = false;
        if (!ec.failed()) {
            auto const hints = pipe_->take_hints(room);
            full = hints.size() == room.size();
            count = take(hints, told);
        }
        {
            std::lock_guard lock(the_registry().mutex);
            listening_ = false;
            if (watched_ > 0)
                listen();
        }
        try {
            for (std::size_t i = 0; i < count; ++i)
                std::exchange(told[i], nullptr)->hinted(i + 1 < count ? calling::later : calling::here);
        } catch (...) {
            hint(0); // another turn looks for others
            throw;
        }
        if (full) // there may be more hints: after a while the loop's other work has its turn
            hint(0);
        else if (!ec.failed())
            sweep_when_rested();
    }

    // Whoever replaces the handler, blocks the signal everywhere, or reaps our children makes us late, but not
    // deaf. A new time drops the wait that was under way, so there is never more than one.
    void wait_for_tick()
    {
        tick_->expires_after(std::chrono::milliseconds(250));
        tick_->async_wait([this](error_code ec) {
            if (ec.failed())
                return;
            (void)os::ensure_child_signal_handler();
            hint_ended();
            std::lock_guard lock(the_registry().mutex);
            if (watched_ > 0)
                wait_for_tick();
        });
    }

    // Cut short, too, it asks again: somebody may be waited for by now.
    void pause()
    {
        pausing_ = true;
        pause_->expires_at(rested_at_);
        pause_->async_wait([this](error_code) {
            {
                std::lock_guard lock(the_registry().mutex);
                pausing_ = false;
            }
            sweep_when_rested();
        });
    }

    static constexpr std::size_t most_at_once = 64;

    observer_ptr take(pid_t pid);
    std::size_t take(std::span<pid_t const> hints, std::span<observer_ptr> told);
    void sweep_when_rested();
    void sweep();
    void hint_ended();

    os::child_signal_pipe_ptr pipe_;
    loop_executor const loop_;
    std::optional<asio::posix::basic_stream_descriptor<loop_executor>> reader_;
    std::optional<timer> tick_;
    std::optional<timer> pause_;
    clock::time_point rested_at_; // when the next sweep may be
    std::size_t watched_ = 0;
    bool listening_ = false; // the reader waits, or its handler is about to look
    bool pausing_ = false;   // a sweep waits for its time
};

observer_ptr sigchld_service::take(pid_t pid)
{
    auto& all = the_registry();
    std::lock_guard lock(all.mutex);
    auto const found = all.entries.find(pid);
    if (found == all.entries.end() || found->second.service != this)
        return nullptr;
    auto taken = std::move(found->second.told);
    all.entries.erase(found);
    unwatch_one();
    return taken;
}

std::size_t sigchld_service::take(std::span<pid_t const> hints, std::span<observer_ptr> told)
{
    std::size_t count = 0;
    for (pid_t pid : hints)
        if (auto one = take(pid))
            told[count++] = std::move(one);
    return count;
}

void sigchld_service::sweep_when_rested()
{
    {
        std::lock_guard lock(the_registry().mutex);
        if (watched_ == 0 || pausing_)
            return;
        if (clock::now() < rested_at_)
            return pause();
    }
    sweep();
}

// A thread that lost the processor in the midst seems to have swept for long: hence the bound.
void sigchld_service::sweep()
{
    auto const begun = clock::now();
    if (os::peek_ended_child() != 0)
        hint_ended();
    auto const ended = clock::now();
    std::lock_guard lock(the_registry().mutex);
    rested_at_ = ended + std::min<clock::duration>(10 * (ended - begun), std::chrono::milliseconds(50));
}

// Whom the pipe has no room for, the sweep after its hints finds again.
void sigchld_service::hint_ended()
{
    std::vector<pid_t> pids;
    {
        auto& all = the_registry();
        std::lock_guard lock(all.mutex);
        for (auto const& [pid, entry] : all.entries)
            if (entry.service == this)
                pids.push_back(pid);
    }
    for (pid_t pid : pids)
        if (os::has_ended(pid))
            hint(pid);
}

class sigchld_watch final : public watch {
public:
    sigchld_watch(sigchld_service& service, pid_t pid) : service_(service), pid_(pid) {}

    ~sigchld_watch() override { disarm(); }

    error_code arm(observer_ptr told) override
    {
        {
            std::lock_guard lock(the_registry().mutex);
            enter(told);
        }
        // Its signal may have come before anybody listened.
        if (os::has_ended(pid_)) {
            std::lock_guard lock(the_registry().mutex);
            service_.hint(pid_);
        }
        return {};
    }

    void disarm() noexcept override
    {
        observer_ptr dropped; // after the lock
        auto& all = the_registry();
        std::lock_guard lock(all.mutex);
        if (auto const found = all.entries.find(pid_); found != all.entries.end() && found->second.owner == this) {
            dropped = std::move(found->second.told);
            found->second.service->unwatch_one();
            all.entries.erase(found);
        }
    }

    os::unique_fd release() noexcept override
    {
        disarm();
        return {};
    }

private:
    // Somebody may have armed it since the hint after which it is armed again; or another child, reaped by now, may have
    // had the pid. What was told before goes with the caller's, after the lock.
    void enter(observer_ptr& told)
    {
        auto& entries = the_registry().entries;
        auto const at = entries.try_emplace(pid_, registry::entry{nullptr, nullptr, nullptr}).first;
        auto& entry = at->second;
        entry.told.swap(told);
        entry.owner = this;
        auto* const before = std::exchange(entry.service, &service_);
        if (before == &service_)
            return;
        if (before)
            before->unwatch_one();
        try {
            service_.watch_one();
        } catch (...) {
            told.swap(entry.told);
            entries.erase(at);
            throw;
        }
    }

    sigchld_service& service_;
    pid_t const pid_;
};

} // namespace

watch_result watch_sigchld(asio::any_io_executor const& executor, pid_t pid, observer_ptr told)
{
    return with_reactor(executor, [&](asio::execution_context& context) -> watch_result {
        auto& service = asio::use_service<sigchld_service>(context);
        {
            std::lock_guard lock(the_registry().mutex);
            if (auto ec = service.open(); ec.failed())
                return ec;
        }
        auto made = std::make_unique<sigchld_watch>(service, pid);
        if (auto ec = made->arm(std::move(told)); ec.failed())
            return ec;
        return watch_result(std::move(made));
    });
}

} // namespace brood::reap
