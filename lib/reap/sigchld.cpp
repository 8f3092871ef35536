// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/child_signal.hpp"
#include "os/process.hpp"
#include "reap/exit_watch.hpp"

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>

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

// Every child of the process that is waited for by SIGCHLD, whatever its context: the first context to wake up
// tells for all, so that no child of one hides a child of another.
struct registry {
    struct entry {
        std::shared_ptr<exit_observer> observer;
        sigchld_service* service;
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

public:
    static inline asio::execution_context::id id;

    explicit sigchld_service(asio::execution_context& context) : service(context) {}

    // All but shutdown() is called with the registry's lock held.

    error_code open(asio::any_io_executor const& executor)
    {
        if (auto handler = os::ensure_child_signal_handler(); !handler)
            return handler.error();
        if (reader_)
            return {};
        auto pipe = os::borrow_child_signal_pipe();
        if (!pipe)
            return pipe.error();
        reader_.emplace(executor);
        error_code ec;
        reader_->assign(pipe.value()->reading_end(), ec);
        if (ec.failed()) {
            reader_.reset();
            return ec;
        }
        pipe_ = std::move(pipe).value();
        tick_.emplace(executor);
        pause_.emplace(executor);
        return {};
    }

    void watch_one()
    {
        if (++watched_ > 1)
            return;
        if (!listening_)
            listen();
        wait_for_tick();
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
        std::vector<std::shared_ptr<exit_observer>> dropped; // outlives the lock: their ends may come back here
        std::lock_guard lock(all.mutex);
        for (auto i = all.entries.begin(); i != all.entries.end();)
            if (i->second.service == this) {
                dropped.push_back(std::move(i->second.observer));
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
        listening_ = true;
        reader_->async_wait(asio::posix::descriptor_base::wait_read, [this](error_code ec) { on_signal(ec); });
    }

    void listen_again()
    {
        std::lock_guard lock(the_registry().mutex);
        listening_ = false;
        if (watched_ > 0)
            listen();
    }

    // Listens again after it has told: then a handler that starts the next child finds nothing to cancel and make
    // anew. One that throws must not leave the others unheard.
    void on_signal(error_code ec)
    {
        if (ec.failed())
            return listen_again();
        std::array<pid_t, 64> room;
        auto const hints = pipe_->take_hints(room);
        try {
            tell(hints);
        } catch (...) {
            listen_again();
            throw;
        }
        listen_again();
        // Handlers may start more children: after a while the loop's other work has its turn.
        if (hints.size() == room.size())
            hint(0);
        else
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

    static std::shared_ptr<exit_observer> take_ended(pid_t pid);
    static void tell(std::span<pid_t const> hints);
    void sweep_when_rested();
    void sweep();
    void hint_ended();

    os::child_signal_pipe_ptr pipe_;
    std::optional<asio::posix::stream_descriptor> reader_;
    std::optional<asio::steady_timer> tick_;
    std::optional<asio::steady_timer> pause_;
    clock::time_point rested_at_; // when the next sweep may be
    std::size_t watched_ = 0;
    bool listening_ = false; // the reader waits, or its handler runs
    bool pausing_ = false;   // a sweep waits for its time
};

std::shared_ptr<exit_observer> sigchld_service::take_ended(pid_t pid)
{
    auto& all = the_registry();
    std::lock_guard lock(all.mutex);
    auto const found = all.entries.find(pid);
    if (found == all.entries.end() || !os::has_ended(pid))
        return nullptr;
    auto taken = std::move(found->second);
    all.entries.erase(found);
    taken.service->unwatch_one();
    return std::move(taken.observer);
}

void sigchld_service::tell(std::span<pid_t const> hints)
{
    for (pid_t pid : hints)
        if (auto const observer = take_ended(pid))
            observer->exit_hinted();
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
            pids.push_back(pid);
    }
    for (pid_t pid : pids)
        if (os::has_ended(pid))
            hint(pid);
}

class sigchld_watch final : public exit_watch {
public:
    sigchld_watch(sigchld_service& service, pid_t pid) : service_(service), pid_(pid) {}

    ~sigchld_watch() override { disarm(); }

    error_code arm(std::shared_ptr<exit_observer> observer) override
    {
        {
            auto& all = the_registry();
            std::lock_guard lock(all.mutex);
            all.entries.insert_or_assign(pid_, registry::entry{std::move(observer), &service_});
            service_.watch_one();
        }
        // Its signal may have come before anybody listened.
        if (os::has_ended(pid_)) {
            std::lock_guard lock(the_registry().mutex);
            service_.hint(pid_);
        }
        return {};
    }

    error_code rearm(std::shared_ptr<exit_observer> observer) override { return arm(std::move(observer)); }

    void disarm() noexcept override
    {
        std::shared_ptr<exit_observer> dropped; // after the lock
        auto& all = the_registry();
        std::lock_guard lock(all.mutex);
        // An entry that is there proves that the service still is.
        if (auto const found = all.entries.find(pid_); found != all.entries.end()) {
            dropped = std::move(found->second.observer);
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
    sigchld_service& service_;
    pid_t const pid_;
};

} // namespace

watch_result watch_sigchld(asio::any_io_executor const& executor, pid_t pid)
{
    auto& service = asio::use_service<sigchld_service>(asio::query(executor, asio::execution::context));
    std::lock_guard lock(the_registry().mutex);
    if (auto ec = service.open(executor); ec.failed())
        return ec;
    return watch_result(std::make_unique<sigchld_watch>(service, pid));
}

} // namespace brood::reap
