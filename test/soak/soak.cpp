// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/child_signal.hpp"
#include "os/unique_fd.hpp"
#include "process/background_reaper.hpp"
#include "soak/ledger.hpp"
#include "spawn/launcher.hpp"
#include "watch/watch.hpp"

#include <brood.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <malloc.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// usage: brood-soak [--operations N] [--seed N] [--threads N] [--live N]

using namespace brood;
using namespace std::chrono_literals;
namespace asio = boost::asio;

extern "C" [[gnu::weak]] std::size_t __sanitizer_get_current_allocated_bytes();
extern "C" [[gnu::weak]] void __tsan_acquire(void*);

namespace test::soak {
namespace {

// What ThreadSanitizer breaks itself: in a process that is forked, its allocator's lock may be that of a thread that does
// not exist there; and a signal during a handler can leave all signals blocked, which the next child inherits.
bool is_thread_sanitizer() { return __tsan_acquire != nullptr; }

struct settings {
    long operations = 2000;
    unsigned long seed = 1;
    int threads = 4;
    int live = 100; ///< Children that run at once, besides those that are about to end.
};

ledger book;

/// Calls a function on a thread of its own, one after the other.
class assistant {
public:
    assistant() : thread_([this] { run(); }) {}

    ~assistant()
    {
        push({});
        thread_.join();
    }

    void push(std::function<void()> work)
    {
        std::lock_guard const lock(mutex_);
        queue_.push_back(std::move(work));
        changed_.notify_one();
    }

private:
    void run()
    {
        for (;;) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return !queue_.empty(); });
            auto const work = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            if (!work)
                return;
            work();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> queue_;
    std::thread thread_;
};

/// Sends a signal to this process every millisecond. It interrupts system calls.
class signal_rain {
public:
    signal_rain()
    {
        struct sigaction action {};
        action.sa_handler = [](int) { ++received; };
        ::sigaction(SIGUSR1, &action, nullptr);
        thread_ = std::thread([this] {
            for (; !ended_; std::this_thread::sleep_for(1ms))
                ::kill(::getpid(), SIGUSR1);
        });
    }

    ~signal_rain()
    {
        ended_ = true;
        thread_.join();
    }

    static inline std::atomic<long> received = 0;

private:
    std::atomic<bool> ended_ = false;
    std::thread thread_;
};

/// A handler that is called once, or destroyed. The ledger counts which.
template <class Function>
class counted {
public:
    explicit counted(Function function) : function_(std::move(function)), pending_(true) { ++book.handlers_created; }
    counted(counted&& other) noexcept
        : function_(std::move(other.function_)), pending_(std::exchange(other.pending_, false))
    {}
    counted& operator=(counted&&) = delete;

    ~counted()
    {
        if (pending_)
            ++book.handlers_destroyed;
    }

    template <class... Values>
    void operator()(Values&&... values)
    {
        book.check(std::exchange(pending_, false), "a handler is called twice");
        ++book.handlers_called;
        function_(std::forward<Values>(values)...);
    }

private:
    Function function_;
    bool pending_;
};

std::string text_of(error_code error, exit_status status) { return error.message() + ", " + to_string(status); }

command probe(std::string const& action, std::string const& argument = "0")
{
    command cmd(std::getenv("BROOD_PROBE"), action, argument);
    cmd.in(stdio::null()).out(stdio::null());
    return cmd;
}

command writing(std::string const& text) { return command(std::getenv("BROOD_PROBE"), "write", "1", text); }

bool has_child() { return ::waitid(P_ALL, 0, nullptr, WEXITED | WNOHANG | WNOWAIT) == 0; }

template <class Condition>
bool eventually(Condition condition, std::chrono::seconds limit = 60s)
{
    auto const deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

/// The letter of proc(5).
char state_of(pid_t pid)
{
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string const text{std::istreambuf_iterator<char>(in), {}};
    auto const end_of_name = text.rfind(')');
    return end_of_name + 2 < text.size() ? text[end_of_name + 2] : '\0';
}

std::vector<spawn_backend> backends()
{
    std::vector<spawn_backend> all;
    for (auto backend : {spawn_backend::posix_spawn, spawn_backend::vfork, spawn_backend::fork})
        if (detail::available(backend))
            all.push_back(backend);
    return all;
}

std::vector<exit_watcher> watchers()
{
    std::vector<exit_watcher> all;
    for (auto watcher : {exit_watcher::pidfd, exit_watcher::sigchld})
        if (detail::available(watcher))
            all.push_back(watcher);
    return all;
}

/// Threads that do what may block.
struct helpers {
    assistant thief, tracer, forker;
};

/// A process that is forked: uses the library and leaves nothing. Returns its exit code.
int use_library_in_fork(command const& exiting, command const& pausing)
{
    asio::io_context context;
    bool waited = false;
    for (int i = 0; i < 2; ++i) {
        auto child = spawn(context, exiting);
        auto dropped = spawn(context, pausing);
        auto detached = spawn(context, exiting);
        if (!child || !dropped || !detached)
            return 2;
        detached.value().detach();
        waited = child.value().wait().has_value();
        async_run(context, exiting, [&](error_code ec, exit_status) { waited = waited && !ec.failed(); });
        context.restart();
        context.run_for(60s);
    }
    return !waited ? 3 : eventually([] { return !has_child(); }) ? 0 : 4;
}

/// Starts children on one strand and gives each a fate.
class worker : public std::enable_shared_from_this<worker> {
public:
    /// When it has ended, it decrements `running`.
    worker(
        asio::io_context& context, helpers& help, std::atomic<int>& running, unsigned long seed, long operations,
        int live)
        : executor_(asio::make_strand(context)),
          help_(help),
          running_(running),
          random_(seed),
          left_(operations),
          residents_wanted_(static_cast<std::size_t>(live))
    {}

    void start() { pump_later(); }

    std::size_t most_residents() const { return most_residents_; }

private:
    using child_ptr = std::shared_ptr<child>;

    struct resident {
        fate end;
        child_ptr process;
    };

    static constexpr int most_pending = 16;

    unsigned long below(unsigned long count) { return random_() % count; }
    bool flip() { return below(2) == 0; }

    void pump_later()
    {
        if (!std::exchange(pump_is_posted_, true))
            asio::post(executor_, [self = shared_from_this()] { self->pump(); });
    }

    // Starts some operations. Each calls done(), which continues.
    void pump()
    {
        pump_is_posted_ = false;
        for (int begun = 0; pending_ < most_pending;) {
            most_residents_ = std::max(most_residents_, residents_.size());
            if (residents_.size() > residents_wanted_ || (left_ == 0 && !residents_.empty()))
                end_resident();
            else if (left_ > 0 && begun++ < most_pending)
                begin();
            else
                break;
        }
        if (left_ > 0 && pending_ < most_pending)
            pump_later();
        if (left_ == 0 && pending_ == 0 && residents_.empty() && !std::exchange(has_ended_, true))
            --running_;
    }

    // A thread of an assistant may call it.
    template <class Function>
    void on_strand(Function function)
    {
        asio::post(executor_, std::move(function));
    }

    void begin()
    {
        --left_;
        static constexpr fate often[] = {
            fate::wait,         fate::wait,  fate::cancel,   fate::wait_here, fate::kill,
            fate::stop,         fate::kill,  fate::suspend,  fate::drop,      fate::drop_ended,
            fate::detach,       fate::steal, fate::steal,    fate::capture,   fate::abandon,
            fate::cancel_start, fate::fail,  fate::pipeline, fate::detach,    fate::group,
        };
        static constexpr fate seldom[] = {fate::trace, fate::destroy, fate::fork};
        fate chosen = below(40) == 0 ? seldom[below(std::size(seldom))] : often[below(std::size(often))];
        if (chosen == fate::fork && is_thread_sanitizer())
            chosen = fate::trace;
        book.begin(chosen);
        ++pending_;
        begin(chosen);
    }

    void begin(fate chosen)
    {
        switch (chosen) {
        case fate::wait: start_exiting(chosen, &worker::wait); break;
        case fate::cancel: start_exiting(chosen, &worker::cancel); break;
        case fate::wait_here: start_exiting(chosen, &worker::wait_here); break;
        case fate::drop_ended:
            start_exiting(chosen, [](worker& self, fate f, child_ptr const&, int) { self.done(f); });
            break;
        case fate::detach:
            start_exiting(chosen, [](worker& self, fate f, child_ptr const& process, int) {
                process->detach();
                self.done(f);
            });
            break;
        case fate::kill:
        case fate::stop:
        case fate::suspend:
        case fate::trace:
        case fate::drop:
        case fate::steal: start_resident(chosen); break;
        case fate::capture: capture(); break;
        case fate::abandon: abandon(); break;
        case fate::cancel_start: cancel_start(); break;
        case fate::fail: fail(); break;
        case fate::pipeline: run_pipeline(); break;
        case fate::group: run_group(); break;
        case fate::destroy: destroy_context(); break;
        case fate::fork: fork_process(); break;
        case fate::count: break;
        }
    }

    /// The operation has ended: as most do, or in another way that is right, too.
    void done(fate f, bool usual = true)
    {
        book.end(f, usual);
        --pending_;
        pump_later();
    }

    auto expect_signal(fate f, child_ptr process, int signal)
    {
        return counted([self = shared_from_this(), f, process, signal](error_code ec, exit_status status) {
            book.check(!ec.failed() && status.signal() == signal, std::string(name_of(f)) + ": " + text_of(ec, status));
            self->done(f);
        });
    }

    auto expect_code(fate f, child_ptr process, int code)
    {
        return counted([self = shared_from_this(), f, process, code](error_code ec, exit_status status) {
            book.check(!ec.failed() && status.code() == code, std::string(name_of(f)) + ": " + text_of(ec, status));
            self->done(f);
        });
    }

    command varied(command cmd)
    {
        if (is_thread_sanitizer())
            cmd.signal_mask({});
        static auto const all_backends = backends();
        static auto const all_watchers = watchers();
        if (flip())
            cmd.backend(all_backends[below(all_backends.size())]);
        if (flip())
            cmd.watcher(all_watchers[below(all_watchers.size())]);
        return cmd;
    }

    template <class Then>
    void start(command cmd, Then then)
    {
        if (below(4) == 0)
            cmd.process_group();
        auto const checked = [then = std::move(then)](error_code ec, child spawned) {
            if (book.check(!ec.failed(), "start: " + ec.message()))
                ++book.children;
            then(std::make_shared<child>(std::move(spawned)));
        };
        if (flip()) {
            async_spawn(executor_, cmd, counted(checked));
            return;
        }
        auto spawned = spawn(executor_, cmd);
        if (spawned)
            checked({}, std::move(spawned).value());
        else
            checked(spawned.error(), child(executor_));
    }

    template <class Then>
    void start_exiting(fate f, Then then)
    {
        int const code = static_cast<int>(below(256));
        start(varied(probe("exit", std::to_string(code))), [self = shared_from_this(), f, then, code](auto process) {
            std::invoke(then, *self, f, process, code);
        });
    }

    void start_resident(fate f)
    {
        start(varied(probe("pause")), [self = shared_from_this(), f](auto process) {
            self->residents_.push_back({f, process});
            --self->pending_;
            self->pump_later();
        });
    }

    void end_resident()
    {
        auto const [f, process] = std::move(residents_.front());
        residents_.pop_front();
        ++pending_;
        switch (f) {
        case fate::kill: process->async_kill(expect_signal(f, process, SIGKILL)); break;
        case fate::stop: process->async_stop(stop_plan(SIGTERM, 60s), expect_signal(f, process, SIGTERM)); break;
        case fate::suspend: suspend(process); break;
        case fate::trace: trace(process); break;
        case fate::steal: steal(process); break;
        default: // the object is destroyed
            if (flip())
                process->async_wait(expect_signal(f, nullptr, SIGKILL));
            else
                done(f);
        }
    }

    void wait(fate f, child_ptr const& process, int code) { process->async_wait(expect_code(f, process, code)); }

    void cancel(fate f, child_ptr const& process, int code)
    {
        auto const signal = std::make_shared<asio::cancellation_signal>();
        auto then = [self = shared_from_this(), signal, f, process, code](error_code ec, exit_status status) {
            bool const aborted = ec == asio::error::operation_aborted;
            book.check(aborted || (!ec.failed() && status.code() == code), "cancel: " + text_of(ec, status));
            process->async_wait(self->expect_code(f, process, code));
        };
        process->async_wait(asio::bind_cancellation_slot(signal->slot(), counted(std::move(then))));
        if (flip())
            signal->emit(asio::cancellation_type::terminal);
        else
            asio::post(executor_, [signal] { signal->emit(asio::cancellation_type::total); });
    }

    void wait_here(fate f, child_ptr const& process, int code)
    {
        auto const status = process->wait();
        book.check(status && status.value().code() == code, "wait here");
        done(f);
    }

    void suspend(child_ptr const& process)
    {
        book.check(process->signal(SIGSTOP).has_value(), "suspend: signal");
        auto const running = process->try_wait();
        book.check(running && !running.value(), "suspend: a stopped child is taken for ended");
        if (flip())
            book.check(process->signal(SIGCONT).has_value(), "suspend: signal");
        process->async_stop(stop_plan(SIGTERM, 60s), expect_signal(fate::suspend, process, SIGTERM));
    }

    // Attaches as a debugger does, and detaches once the child has stopped. Meanwhile no wait may complete.
    void trace(child_ptr const& process)
    {
        auto const traced = std::make_shared<bool>(true); // used on the strand only
        process->async_wait(counted([process, traced](error_code ec, exit_status status) {
            book.check(!*traced && status.signal() == SIGKILL, "trace: " + text_of(ec, status));
        }));
        help_.tracer.push([self = shared_from_this(), process, traced] {
            pid_t const pid = process->id();
            bool const attached = ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
            if (attached) {
                ::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
                book.check(eventually([pid] { return state_of(pid) == 't'; }), "trace: the child does not stop");
                auto const running = process->try_wait();
                book.check(running && !running.value(), "trace: a traced child is taken for ended");
                book.check(::ptrace(PTRACE_DETACH, pid, nullptr, nullptr) == 0, "trace: cannot detach");
            }
            self->on_strand([self, process, traced] {
                *traced = false;
                process->async_kill(self->expect_signal(fate::trace, process, SIGKILL));
            });
        });
    }

    // Another thread waits for the child by a pidfd, so that it cannot reap another process with the same pid. Without a
    // pidfd, the library could: it does not know in time that another process has the pid.
    void steal(child_ptr const& process)
    {
        if (process->native_handle() < 0)
            return process->async_kill(expect_signal(fate::steal, process, SIGKILL));
        auto const pidfd =
            std::make_shared<os::unique_fd>(static_cast<int>(::syscall(SYS_pidfd_open, process->id(), 0)));
        struct theft {
            std::optional<bool> stolen;
            std::optional<std::pair<error_code, exit_status>> reported;
        };
        auto const both = std::make_shared<theft>();
        auto const judge = [self = shared_from_this(), process, both] {
            if (!both->stolen || !both->reported)
                return;
            auto const& [ec, status] = *both->reported;
            bool const lost = *both->stolen && ec == errc::status_lost;
            book.check(lost || (!ec.failed() && status.signal() == SIGKILL), "steal: " + text_of(ec, status));
            self->done(fate::steal, !lost);
        };
        auto then = [both, judge](error_code ec, exit_status status) {
            both->reported.emplace(ec, status);
            judge();
        };
        help_.thief.push([self = shared_from_this(), pidfd, both, judge] {
            siginfo_t info{};
            int outcome;
            do
                outcome = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd->get()), &info, WEXITED);
            while (outcome < 0 && errno == EINTR);
            bool const stolen = outcome == 0;
            book.check(!stolen || info.si_status == SIGKILL, "steal: wrong status");
            self->on_strand([both, judge, stolen] {
                both->stolen = stolen;
                judge();
            });
        });
        book.check(process->kill().has_value(), "steal: kill");
        process->async_wait(counted(std::move(then)));
    }

    void capture()
    {
        std::string const text(below(200'000), static_cast<char>('a' + below(26)));
        auto const input = std::make_shared<std::string>(text);
        command cmd(std::getenv("BROOD_PROBE"), "copy");
        auto then = [self = shared_from_this(), input](error_code ec, output result) {
            ++book.children;
            book.check(
                !ec.failed() && result.status.success() && result.out == *input,
                "capture: " + text_of(ec, result.status));
            self->done(fate::capture);
        };
        async_output(executor_, varied(cmd), output_options().input(asio::buffer(*input)), counted(std::move(then)));
    }

    void abandon()
    {
        auto const signal = std::make_shared<asio::cancellation_signal>();
        auto then = [self = shared_from_this(), signal](error_code ec, output const& result) {
            book.check(ec == asio::error::operation_aborted, "abandon: " + text_of(ec, result.status));
            self->done(fate::abandon);
        };
        auto cmd = command(std::getenv("BROOD_PROBE"), "pause");
        async_output(executor_, varied(cmd), asio::bind_cancellation_slot(signal->slot(), counted(std::move(then))));
        auto const emit = [signal] { signal->emit(asio::cancellation_type::terminal); };
        for (auto count = 1 + below(2); count > 0; --count)
            if (flip())
                emit();
            else
                asio::post(executor_, emit);
    }

    void cancel_start()
    {
        auto const signal = std::make_shared<asio::cancellation_signal>();
        auto then = [self = shared_from_this(), signal](error_code ec, child const& spawned) {
            bool const aborted = ec == asio::error::operation_aborted;
            book.check(aborted || (!ec.failed() && spawned.id() > 0), "cancel start: " + ec.message());
            self->done(fate::cancel_start, aborted);
        };
        async_spawn(
            executor_, varied(probe("pause")), asio::bind_cancellation_slot(signal->slot(), counted(std::move(then))));
        if (flip())
            signal->emit(asio::cancellation_type::terminal);
        else
            asio::post(executor_, [signal] { signal->emit(asio::cancellation_type::terminal); });
    }

    void fail()
    {
        auto const check = [self = shared_from_this()](error_code ec) {
            book.check(
                ec == std::errc::no_such_file_or_directory && stage_of(ec) == spawn_stage::exec,
                "fail: " + ec.message());
            self->done(fate::fail);
        };
        auto const cmd = varied(command("/nowhere/program"));
        if (flip())
            async_spawn(executor_, cmd, counted([check](error_code ec, child const&) { check(ec); }));
        else if (auto const spawned = spawn(executor_, cmd); !spawned)
            check(spawned.error());
        else
            check({});
    }

    void run_pipeline()
    {
        std::string const text(below(5000), 'p');
        auto then = [self = shared_from_this(), text](error_code ec, pipeline_output const& result) {
            book.children += 3;
            book.check(!ec.failed() && result.out == text, "pipeline: " + ec.message());
            self->done(fate::pipeline);
        };
        command const copy(std::getenv("BROOD_PROBE"), "copy");
        async_output(executor_, varied(writing(text)) | varied(copy) | varied(copy), counted(std::move(then)));
    }

    void run_group()
    {
        auto const group = std::make_shared<child_group>(executor_, group_options().max_running(2));
        auto const children = std::make_shared<int>(0);
        for (int i = 0; i < 3; ++i)
            group->async_spawn(varied(probe("exit", "3")), counted([children](error_code ec, group_child const&) {
                                   *children += !ec.failed();
                               }));
        auto const results = std::make_shared<int>(0);
        for (int i = 0; i < 3; ++i)
            group->async_next(counted([results](error_code ec, group_result const& result) {
                *results += !ec.failed() && result.status.code() == 3;
            }));
        auto then = [self = shared_from_this(), group, children, results](error_code ec) {
            book.children += *children;
            book.check(!ec.failed() && *children == 3, "group: " + ec.message());
            asio::post(self->executor_, [self, group, results] { self->check_results(*results); });
        };
        group->async_wait_all(counted(std::move(then)));
    }

    void check_results(int results)
    {
        book.check(results == 3, "group: " + std::to_string(results) + " results");
        done(fate::group);
    }

    // Operations are pending when the context is destroyed.
    void destroy_context()
    {
        auto const ignore = [](auto&&...) {};
        auto const process = [&] {
            asio::io_context context;
            child waited = spawn(context, varied(probe("pause"))).value();
            waited.async_wait(counted(ignore));
            child moved = spawn(context, varied(probe("pause"))).value();
            auto const owner = std::make_shared<child>(std::move(moved));
            owner->async_stop(counted([owner](error_code, exit_status) {}));
            async_spawn(context, varied(probe("exit")), counted(ignore));
            async_output(context, varied(writing("text")), counted(ignore));
            child_group group(context, group_options().max_running(1));
            group.async_spawn(varied(probe("pause")), counted(ignore));
            group.async_spawn(varied(probe("pause")), counted(ignore));
            group.async_next(counted(ignore));
            for (auto count = below(20); count > 0; --count)
                context.poll_one();
            book.children += 4;
            return waited;
        }();
        done(fate::destroy);
    }

    void fork_process()
    {
        auto const exiting = varied(probe("exit"));
        auto const pausing = varied(probe("pause"));
        help_.forker.push([self = shared_from_this(), exiting, pausing] {
            pid_t const pid = ::fork();
            if (pid == 0)
                ::_exit(use_library_in_fork(exiting, pausing));
            int status = 0;
            pid_t ended;
            do
                ended = ::waitpid(pid, &status, 0);
            while (ended < 0 && errno == EINTR);
            book.check(pid > 0 && ended == pid && status == 0, "fork: " + to_string(exit_status::from_raw(status)));
            self->on_strand([self] { self->done(fate::fork); });
        });
    }

    asio::any_io_executor executor_;
    helpers& help_;
    std::atomic<int>& running_;
    std::mt19937_64 random_;
    long left_;
    int pending_ = 0;
    bool pump_is_posted_ = false, has_ended_ = false;
    std::size_t residents_wanted_, most_residents_ = 0;
    std::deque<resident> residents_; // the oldest first
};

/// What must not grow.
struct usage {
    std::size_t heap;
    long descriptors;
};

usage measure()
{
    namespace fs = std::filesystem;
    std::size_t const heap =
        __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes() : ::mallinfo2().uordblks;
    return {heap, std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator())};
}

/// Runs workers to their end: half of them on contexts of their own, half on a context that several threads run.
void run_workers(settings const& all, unsigned long seed, long operations)
{
    std::deque<asio::io_context> contexts;
    helpers help;
    std::atomic<int> running = all.threads;
    std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards;
    std::vector<std::shared_ptr<worker>> workers;
    std::vector<std::thread> threads;
    auto& common = contexts.emplace_back();
    for (int i = 0; i < all.threads; ++i) {
        auto& context = i % 2 == 0 ? common : contexts.emplace_back();
        guards.push_back(asio::make_work_guard(context)); // assistants hold no work
        workers.push_back(std::make_shared<worker>(
            context, help, running, seed + static_cast<unsigned long>(i), operations / all.threads,
            all.live / all.threads));
        workers.back()->start();
        threads.emplace_back([&context] { context.run(); });
    }
    book.wait_for_end(running);
    guards.clear();
    for (auto& thread : threads)
        thread.join();
    std::size_t most = 0;
    for (auto const& worker : workers)
        most += worker->most_residents();
    std::printf("%zu children ran at once\n", most);
}

// Every child has been reaped when the background reaper has ended.
usage settle()
{
    book.check(eventually([] { return !detail::is_reaping_in_background(); }), "the background reaper does not end");
    book.check(eventually([] { return !has_child(); }), "a child is left");
    book.check(::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD, "a child is left");
    book.check_balance();
    return measure();
}

// The library keeps the pipes of SIGCHLD for its next contexts. The workers use at most two contexts for each thread at
// once: one that runs them and one that a worker destroys; the background reaper uses another one.
void fill_pipe_pool(int threads)
{
    if (!detail::available(exit_watcher::sigchld))
        return;
    std::vector<os::child_signal_pipe_ptr> pipes;
    for (int i = 0; i < 2 * threads + 1; ++i)
        pipes.push_back(os::borrow_child_signal_pipe().value());
}

void print_descriptors()
{
    for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        error_code gone;
        auto const target = std::filesystem::read_symlink(entry.path(), gone);
        std::fprintf(stderr, "%s: %s\n", entry.path().filename().c_str(), target.c_str());
    }
}

void run(settings const& all)
{
    auto const start = std::chrono::steady_clock::now();
    if (is_thread_sanitizer())
        std::puts("left out: processes that are forked, and children that inherit the signal mask (ThreadSanitizer)");
    signal_rain const rain;
    run_workers(all, all.seed, all.operations / 2);
    fill_pipe_pool(all.threads);
    usage const middle = settle();
    run_workers(all, all.seed + 1'000'000, all.operations - all.operations / 2);
    usage const end = settle();
    std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - start;

    constexpr std::size_t tolerance = 100'000; // caches of the C library
    book.check(end.heap <= middle.heap + tolerance, "the heap grows");
    book.check(end.descriptors <= middle.descriptors, "the number of descriptors grows");
    if (end.descriptors > middle.descriptors)
        print_descriptors();
    book.print();
    std::printf(
        "heap %zu -> %zu bytes, descriptors %ld -> %ld, %ld signals, %.1f s\n", middle.heap, end.heap,
        middle.descriptors, end.descriptors, signal_rain::received.load(), seconds.count());
}

bool parse(int argc, char** argv, settings& all)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        std::string_view const name = argv[i];
        long const value = std::atol(argv[i + 1]);
        if (value <= 0)
            return false;
        if (name == "--operations")
            all.operations = value;
        else if (name == "--seed")
            all.seed = static_cast<unsigned long>(value);
        else if (name == "--threads")
            all.threads = static_cast<int>(value);
        else if (name == "--live")
            all.live = static_cast<int>(value);
        else
            return false;
    }
    return argc % 2 == 1;
}

// Each child that runs needs a pidfd.
void raise_descriptor_limit()
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace
} // namespace test::soak

int main(int argc, char** argv)
{
    using namespace test::soak;
    settings all;
    if (!parse(argc, argv, all) || !std::getenv("BROOD_PROBE")) {
        std::fputs("usage: BROOD_PROBE=PATH brood-soak [--operations N] [--seed N] [--threads N] [--live N]\n", stderr);
        return 2;
    }
    ::mallopt(M_ARENA_MAX, 1); // mallinfo2(3) counts the first arena only
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    raise_descriptor_limit();
    std::printf(
        "%ld operations, seed %lu, %d threads, %d children at once\n", all.operations, all.seed, all.threads, all.live);
    run(all);
    std::printf("%ld errors\n", book.errors());
    return book.errors() == 0 ? 0 : 1;
}
