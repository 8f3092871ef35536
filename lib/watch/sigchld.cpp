// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/child_signal.hpp"
#include "os/per_process.hpp"
#include "os/process.hpp"
#include "watch/catch_reactor_error.hpp"
#include "watch/inline_executor.hpp"

#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace brood::detail {
namespace {

class sigchld_service;

// Every child that is watched through SIGCHLD, in whatever context. An entry proves that the context's service exists.
struct registry {
    struct entry {
        observer_ptr observer;
        sigchld_service* service;
        watch const* owner;
    };

    std::mutex mutex; // also guards the services
    std::unordered_map<pid_t, entry> entries;
};

constinit os::per_process<registry> registries;

registry& the_registry() { return registries.get(); }

/// Receives SIGCHLD for one context: through a pipe in its reactor, and through a timer if a signal is lost.
/**
 * The handler writes pids into the pipe. Checking one pid costs the same for any number of children. The pipe does not
 * contain every pid, because the kernel merges signals, so a scan of all children follows. The cost of a scan grows
 * with the number of children: scans take at most about a tenth of the time.
 */
class sigchld_service final : public asio::execution_context::service {
    using descriptor = asio::posix::basic_stream_descriptor<inline_executor>;
    using clock = std::chrono::steady_clock;

public:
    static inline asio::execution_context::id id;

    // The descriptor creates the reactor, which must be notified of a fork before this service.
    explicit sigchld_service(asio::execution_context& context)
        : service(context), executor_(context), reader_(std::make_unique<descriptor>(executor_))
    {}

    // All public functions are called with the registry's lock held.

    error_code open()
    {
        if (!timer_)
            timer_.emplace(executor_);
        if (!reader_->is_open()) {
            auto pipe = os::borrow_child_signal_pipe();
            if (!pipe)
                return pipe.error();
            error_code error;
            reader_->assign(pipe.value()->read_end(), error);
            if (error.failed())
                return error;
            pipe_ = std::move(pipe).value();
            registry_ = &the_registry();
        }
        auto const handler = os::ensure_child_signal_handler();
        return handler ? error_code() : handler.error();
    }

    void add_watch()
    {
        if (++watched_ > 1)
            return;
        try {
            if (!listening_)
                listen();
            scan_at(clock::now() + scan_interval);
        } catch (...) {
            remove_watch();
            throw;
        }
    }

    void remove_watch()
    {
        if (--watched_ > 0)
            return;
        error_code ignored;
        reader_->cancel(ignored);
        timer_->cancel();
    }

    void hint(pid_t pid) noexcept { pipe_->hint(pid); }

private:
    // A forked copy of the service must not change the reactor, which it shares with the parent.
    bool is_own() const noexcept { return registry_ == registries.find(); }

    // In the child, the service gets a pipe of its own. The children of the parent are not this process's children:
    // their waits complete. Their entries are left if another thread held the lock when the process was forked.
    void notify_fork(asio::execution_context::fork_event event) override
    {
        if (event != asio::execution_context::fork_child || !registry_ || is_own())
            return;
        auto& old = *registry_;
        auto& own = the_registry();
        std::lock_guard lock(own.mutex);
        reader_->release(); // completes the wait; its handler waits again
        if (auto error = open(); error.failed())
            throw boost::system::system_error(error);
        watched_ = 0;
        std::unique_lock const old_lock(old.mutex, std::try_to_lock);
        if (!old_lock)
            return;
        for (auto& [pid, entry] : old.entries)
            if (entry.service == this && own.entries.try_emplace(pid, std::move(entry)).second) {
                ++watched_;
                hint(pid);
            }
        if (watched_ > 0 && !listening_)
            listen();
    }

    // A context may shut its services down twice.
    void shutdown() override
    {
        if (registry_ && !is_own()) {
            (void)reader_.release();
            timer_.reset();
            return;
        }
        auto* const all = registries.find();
        if (!all)
            return;
        std::vector<observer_ptr> dropped; // destroyed after the lock: their destructors may call this service
        std::lock_guard lock(all->mutex);
        for (auto i = all->entries.begin(); i != all->entries.end();)
            if (i->second.service == this) {
                dropped.push_back(std::move(i->second.observer));
                i = all->entries.erase(i);
            } else {
                ++i;
            }
        if (reader_ && reader_->is_open())
            reader_->release(); // the pool keeps the pipe open
        reader_.reset();
        timer_.reset();
        pipe_.reset();
    }

    void listen()
    {
        reader_->async_wait(asio::posix::descriptor_base::wait_read, [this](error_code error) { on_signal(error); });
        listening_ = true; // unless async_wait has thrown
    }

    void listen_if_watched()
    {
        std::lock_guard lock(the_registry().mutex);
        if (watched_ > 0 && !listening_)
            listen();
    }

    // Listens again before it notifies: a handler that runs in a notification may take long or throw. The scan follows
    // the notifications, because it would find children that have not been reaped yet.
    void on_signal(error_code error)
    {
        std::array<pid_t, max_hints> room;
        std::array<observer_ptr, max_hints> observers;
        std::size_t count = 0;
        bool full = false;
        if (!error.failed()) {
            auto const hints = pipe_->take_hints(room);
            full = hints.size() == room.size();
            count = take(hints, observers);
        }
        {
            std::lock_guard lock(the_registry().mutex);
            listening_ = false;
        }
        if (is_failure(error))
            return fail_all(error);
        try {
            listen_if_watched();
            notify({observers.data(), count});
        } catch (...) {
            notify({observers.data(), count}); // those that have not been notified
            hint(0);                           // the scan follows later
            listen_if_watched();
            throw;
        }
        if (full) // more hints may follow; other work of the event loop comes first
            hint(0);
        else if (!error.failed())
            scan_when_due();
    }

    void scan_when_due()
    {
        {
            std::lock_guard lock(the_registry().mutex);
            if (watched_ == 0)
                return;
            if (clock::now() < next_scan_)
                return scan_at(next_scan_);
        }
        measure([this] {
            if (os::peek_ended_child() != 0) // cheaper than a scan if no child has ended
                hint_ended();
        });
    }

    // The periodic scan finds exits whose signal was lost: other code may have replaced the handler, blocked the signal
    // in every thread or reaped the child.
    void scan_at(clock::time_point time)
    {
        timer_->expires_at(time); // cancels the pending wait
        timer_->async_wait([this](error_code error) {
            if (error.failed())
                return;
            (void)os::ensure_child_signal_handler();
            measure([this] { hint_ended(); }); // includes children that other code has reaped
            std::lock_guard lock(the_registry().mutex);
            if (watched_ > 0)
                scan_at(clock::now() + scan_interval);
        });
    }

    // A thread that was preempted during the scan seems to have scanned for long, hence the limit.
    template <class Scan>
    void measure(Scan scan)
    {
        auto const start = clock::now();
        scan();
        auto const end = clock::now();
        std::lock_guard lock(the_registry().mutex);
        next_scan_ = end + std::min<clock::duration>(10 * (end - start), std::chrono::milliseconds(50));
    }

    static constexpr std::size_t max_hints = 64;
    static constexpr std::chrono::milliseconds scan_interval{250};

    observer_ptr take(pid_t pid);
    observer_ptr take_any();
    void fail_all(error_code error);
    std::size_t take(std::span<pid_t const> hints, std::span<observer_ptr> observers);
    void hint_ended();

    os::child_signal_pipe_ptr pipe_;
    inline_executor const executor_;
    registry* registry_ = nullptr; // of the process that has opened the pipe
    std::unique_ptr<descriptor> reader_;
    std::optional<inline_timer> timer_; // of the next scan
    clock::time_point next_scan_;       // no scan after a signal before this time
    std::size_t watched_ = 0;
    bool listening_ = false; // the reader waits, or its handler is about to read
};

observer_ptr sigchld_service::take(pid_t pid)
{
    auto& all = the_registry();
    std::lock_guard lock(all.mutex);
    auto const found = all.entries.find(pid);
    if (found == all.entries.end() || found->second.service != this)
        return nullptr;
    auto taken = std::move(found->second.observer);
    all.entries.erase(found);
    remove_watch();
    return taken;
}

std::size_t sigchld_service::take(std::span<pid_t const> hints, std::span<observer_ptr> observers)
{
    std::size_t count = 0;
    for (pid_t pid : hints)
        if (auto observer = take(pid))
            observers[count++] = std::move(observer);
    return count;
}

observer_ptr sigchld_service::take_any()
{
    auto& entries = the_registry().entries;
    std::lock_guard lock(the_registry().mutex);
    auto const found =
        std::find_if(entries.begin(), entries.end(), [this](auto const& each) { return each.second.service == this; });
    if (found == entries.end())
        return nullptr;
    auto taken = std::move(found->second.observer);
    entries.erase(found);
    remove_watch();
    return taken;
}

// Nobody reads the pipe any more.
void sigchld_service::fail_all(error_code error)
{
    while (auto const observer = take_any())
        observer->on_failure(error);
}

// Children for which the pipe has no room are found by the scan that follows its hints.
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
        if (os::may_have_ended({pid, -1}))
            hint(pid);
}

class sigchld_watch final : public watch {
public:
    sigchld_watch(sigchld_service& service, pid_t pid) : service_(service), pid_(pid) {}

    ~sigchld_watch() override { disarm(); }

    error_code arm(observer_ptr observer) override
    {
        {
            std::lock_guard lock(the_registry().mutex);
            enter(observer);
        }
        // The signal may have arrived before.
        if (os::may_have_ended({pid_, -1})) {
            std::lock_guard lock(the_registry().mutex);
            service_.hint(pid_);
        }
        return {};
    }

    void disarm() noexcept override
    {
        observer_ptr dropped; // destroyed after the lock
        auto* const all = registries.find();
        if (!all)
            return;
        std::lock_guard lock(all->mutex);
        if (auto const found = all->entries.find(pid_); found != all->entries.end() && found->second.owner == this) {
            dropped = std::move(found->second.observer);
            found->second.service->remove_watch();
            all->entries.erase(found);
        }
    }

    os::unique_fd release() noexcept override
    {
        disarm();
        return {};
    }

private:
    // An entry may exist: the watch may have been armed since the hint, or a reaped child had the same pid. The caller
    // destroys the previous observer after the lock.
    void enter(observer_ptr& observer)
    {
        auto& entries = the_registry().entries;
        auto const at = entries.try_emplace(pid_, registry::entry{nullptr, nullptr, nullptr}).first;
        auto& entry = at->second;
        entry.observer.swap(observer);
        entry.owner = this;
        auto* const before = std::exchange(entry.service, &service_);
        if (before == &service_)
            return;
        if (before)
            before->remove_watch();
        try {
            service_.add_watch();
        } catch (...) {
            observer.swap(entry.observer);
            entries.erase(at);
            throw;
        }
    }

    sigchld_service& service_;
    pid_t const pid_;
};

} // namespace

void notify_sigchld_watch(pid_t pid) noexcept
{
    auto* const all = registries.find();
    if (!all)
        return;
    std::lock_guard lock(all->mutex);
    if (auto const found = all->entries.find(pid); found != all->entries.end())
        found->second.service->hint(pid);
}

error_code prepare_sigchld_watches(asio::any_io_executor const& executor)
{
    return catch_reactor_error(executor, [](asio::execution_context& context) {
        auto& service = asio::use_service<sigchld_service>(context);
        std::lock_guard lock(the_registry().mutex);
        return service.open();
    });
}

watch_result watch_sigchld(asio::any_io_executor const& executor, pid_t pid, observer_ptr observer)
{
    if (auto error = prepare_sigchld_watches(executor); error.failed())
        return error;
    return catch_reactor_error(executor, [&](asio::execution_context& context) -> watch_result {
        auto& service = asio::use_service<sigchld_service>(context);
        auto created = std::make_unique<sigchld_watch>(service, pid);
        if (auto error = created->arm(std::move(observer)); error.failed())
            return error;
        return watch_result(std::move(created));
    });
}

} // namespace brood::detail
