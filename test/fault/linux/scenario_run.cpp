// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fault/linux/scenario_run.hpp"

#include "fault/linux/expectations.hpp"
#include "os/child_signal.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <new>
#include <sstream>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test {
namespace {

using clock = std::chrono::steady_clock;

void write_text(char (&to)[8192], std::string const& text)
{
    auto const size = std::min(text.size(), sizeof to - 1);
    std::memcpy(to, text.data(), size);
    to[size] = '\0';
}

// The first failure is kept.
void fail(shared_state& shared, std::string const& text)
{
    if (shared.message[0] == '\0')
        write_text(shared.message, text);
}

std::string describe(brood::error_code error)
{
    return std::string(error.category().name()) + " error " + std::to_string(error.value()) + ", " + error.message();
}

template <class Condition>
bool holds_within(clock::duration time, Condition condition)
{
    auto const deadline = clock::now() + time;
    while (!condition()) {
        if (clock::now() > deadline)
            return false;
        timespec const moment{0, 500'000};
        ::nanosleep(&moment, nullptr);
    }
    return true;
}

} // namespace

void scenario_run::arm() { shared_.armed = calls_ == system_calls::watched; }

bool scenario_run::succeeded(std::string_view operation, brood::error_code error)
{
    if (!error.failed())
        return true;
    // What the system does not support is remembered after the fault.
    bool const explained = calls_ == system_calls::watched ? what_ && explains(*what_, config_.backend, error)
                                                           : what_ && error == boost::system::errc::not_supported;
    if (!explained)
        fail(shared_, std::string(operation) + " fails: " + describe(error));
    return false;
}

void scenario_run::expect(bool condition, std::string_view text)
{
    if (!condition)
        fail(shared_, std::string(text));
}

void scenario_run::abandon_context()
{
    abandoned_ = true;
    context_->stop();
}

void scenario_run::run_context()
{
    for (;;)
        try {
            context_->run();
            return;
        } catch (std::bad_alloc const&) {
            thrown_ = true;
        }
}

void scenario_run::execute(body_type body)
{
    bool completed = false;
    asio::co_spawn(*context_, body(*this), [&completed, this, held = guard_](std::exception_ptr thrown) {
        completed = true;
        if (!thrown)
            return;
        try {
            std::rethrow_exception(thrown);
        } catch (std::bad_alloc const&) {
            thrown_ = true;
        }
    });
    run_context();
    context_.reset();
    expect(completed || thrown_ || abandoned_, "an operation has not completed");
    expect(guard_.use_count() == 1, "a handler is neither called nor destroyed");
    expect(!thrown_ || (what_ && exhausts_memory(*what_)), "bad_alloc is thrown");
}

namespace {

class process_attributes {
public:
    process_attributes()
    {
        sigset_t mask;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
        for (int signal = 1; signal < NSIG; ++signal) {
            blocked_.push_back(sigismember(&mask, signal) == 1);
            struct sigaction action {};
            if (signal != SIGCHLD) // the library's handler stays installed
                ::sigaction(signal, nullptr, &action);
            actions_.push_back({action.sa_handler, action.sa_flags});
        }
    }

    bool operator==(process_attributes const&) const = default;

private:
    std::vector<bool> blocked_;
    std::vector<std::pair<void (*)(int), int>> actions_;
};

using descriptor_counts = std::map<std::string, int>;

// The kinds of the open descriptors, with the number of each.
descriptor_counts count_descriptors()
{
    descriptor_counts kinds;
    for (int fd = 0; fd < 1024; ++fd) {
        std::array<char, 256> target;
        auto const size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target.data(), target.size());
        if (size < 0)
            continue;
        std::string const kind(target.data(), static_cast<std::size_t>(size));
        auto const numbered = kind.find("brood-"); // the cgroups of contained children
        ++kinds[kind.substr(0, numbered != kind.npos ? numbered : kind.find(":["))];
    }
    return kinds;
}

std::string to_text(descriptor_counts const& kinds)
{
    std::ostringstream text;
    for (auto const& [kind, count] : kinds)
        text << count << ' ' << kind << '\n';
    return text.str();
}

descriptor_counts to_counts(std::string const& text)
{
    descriptor_counts kinds;
    std::istringstream lines(text);
    int count;
    for (std::string kind; lines >> count && lines.get() && std::getline(lines, kind);)
        kinds[kind] = count;
    return kinds;
}

// Fewer descriptors are open if the library does without a feature of the system.
bool are_within(descriptor_counts const& open, descriptor_counts expected, fault const& what)
{
    if (what.call == SYS_eventfd2) // Asio then uses a pipe, also for the loop that reaps in the background
        expected["pipe"] += 2;
    return std::all_of(open.begin(), open.end(), [&](auto const& kind) {
        auto const found = expected.find(kind.first);
        return found != expected.end() && kind.second <= found->second;
    });
}

bool has_other_threads()
{
    std::filesystem::directory_iterator const threads("/proc/self/task");
    return std::distance(begin(threads), end(threads)) > 1;
}

// A thread of the library may still start, kill or reap children, and has descriptors.
bool is_quiet() { return !has_other_threads() && !has_children(); }

// A spawn attends to the children that no thread could watch.
bool is_settled()
{
    if (is_quiet())
        return true;
    asio::io_context context;
    (void)brood::spawn(context, brood::command("/nowhere"));
    return false;
}

// The children of all threads.
template <class Function>
void for_each_child(Function function)
{
    for (auto const& thread : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream children(thread.path() / "children");
        for (pid_t pid; children >> pid;)
            function(pid);
    }
}

// A child that ends before it is detached would not start the background loop.
void detach_child(brood::exit_watcher watcher)
{
    pid_t pid;
    {
        asio::io_context context;
        auto const cmd = brood::command(probe_path(), "pause").out(brood::stdio::null()).watcher(watcher);
        auto child = brood::spawn(context, cmd).value();
        pid = child.id();
        child.detach();
    }
    ::kill(pid, SIGKILL);
    holds_within(5s, is_settled);
}

// Opens the descriptors that the library keeps until the process ends: the background loop and self-pipes.
void open_permanent_descriptors()
{
    detach_child(brood::exit_watcher::automatic);
    detach_child(brood::exit_watcher::sigchld);
    std::vector<brood::os::child_signal_pipe_ptr> pipes;
    for (int i = 0; i < 8; ++i)
        pipes.push_back(brood::os::borrow_child_signal_pipe().value());
}

void check_end(std::optional<fault> const& what, shared_state& shared)
{
    bool const may_leave = what && leaves_children(*what);
    if (holds_within(may_leave ? 200ms : 5s, is_settled))
        return;
    if (!may_leave && what && leaves_thread(*what) && !has_children())
        return;
    if (!may_leave)
        return fail(shared, has_children() ? "a child is left" : "a thread is left");
    for_each_child([](pid_t pid) { ::kill(pid, SIGKILL); });
    if (holds_within(200ms, is_settled))
        return;
    auto const is_settled_without_children = [] {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {}
        return is_settled();
    };
    if (!holds_within(5s, is_settled_without_children))
        fail(shared, "a child or a thread is left after SIGKILL");
}

} // namespace

void test_scenario(
    scenario_run::body_type body, backend_config config, std::optional<fault> const& what,
    std::string const& descriptors, shared_state& shared)
{
    process_attributes const before;
    scenario_run(shared, config, what, scenario_run::system_calls::watched).execute(body);
    // What the library does in the background may fail, too.
    shared.exempt_thread = ::gettid();
    holds_within(200ms, is_quiet);
    shared.armed = false;
    check_end(what, shared);
    for (unsigned i = 0; i < shared.replaced_count; ++i)
        ::close(shared.replaced[i]);

    if (!(process_attributes() == before))
        fail(shared, "the signal mask or a disposition has changed");
    if (shared.message[0] != '\0')
        return;

    // The library still works, and has kept nothing.
    scenario_run(shared, config, what, scenario_run::system_calls::normal).execute(body);
    check_end(std::nullopt, shared);
    open_permanent_descriptors();
    check_end(std::nullopt, shared);
    auto const open = count_descriptors();
    if (!what)
        write_text(shared.note, to_text(open));
    else if (!are_within(open, to_counts(descriptors), *what))
        fail(shared, "descriptors are left:\n" + to_text(open) + "instead of:\n" + descriptors);
}

} // namespace test
