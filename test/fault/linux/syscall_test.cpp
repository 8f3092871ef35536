// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fault/linux/expectations.hpp"
#include "fault/linux/scenarios.hpp"
#include "support/cgroup_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include <sys/syscall.h>

using namespace test;

namespace {

// The counts of one scenario.
struct tally {
    long runs = 0, failed = 0;
    std::map<std::string_view, long> left_out; // by the reason
};

long number_from(char const* variable, long otherwise)
{
    char const* const text = std::getenv(variable);
    return text ? std::atol(text) : otherwise;
}

bool is_selected(std::string const& name)
{
    char const* const only = std::getenv("BROOD_FAULT_SCENARIO");
    return !only || name == only;
}

// The number of calls differs from run to run, so that a fault is selected by its description, not by its position.
bool is_selected_fault(std::string const& scenario, std::string const& description)
{
    static char const* const only = std::getenv("BROOD_FAULT");
    static auto const step = static_cast<std::uint64_t>(std::max(number_from("BROOD_FAULT_STEP", 200), 1L));
    static auto const first = static_cast<std::uint64_t>(number_from("BROOD_FAULT_FIRST", 0));
    if (only)
        return description.find(only) != description.npos;
    std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a, which does not depend on the C++ library
    for (unsigned char const each : scenario + description)
        hash = (hash ^ each) * 0x100000001b3;
    return hash % step == first % step;
}

constexpr auto bound = std::chrono::seconds(10);

std::vector<int> untouched_numbers()
{
    std::vector<int> numbers;
    for (auto const& call : untouched_calls())
        numbers.push_back(call.number);
    return numbers;
}

std::vector<backend_config> const configs{
    {brood::spawn_backend::automatic, brood::exit_watcher::automatic},
    {brood::spawn_backend::posix_spawn, brood::exit_watcher::pidfd},
    {brood::spawn_backend::posix_spawn, brood::exit_watcher::sigchld},
    {brood::spawn_backend::vfork, brood::exit_watcher::pidfd},
    {brood::spawn_backend::vfork, brood::exit_watcher::sigchld},
    {brood::spawn_backend::fork, brood::exit_watcher::pidfd},
    {brood::spawn_backend::fork, brood::exit_watcher::sigchld},
};

std::string describe(backend_config config, fault const& what)
{
    std::ostringstream text;
    text << config << ": " << (what.who == caller::parent ? "" : "child's ") << find_call(what.call)->name << " number "
         << what.index << " fails with " << std::strerror(what.error) << (what.for_good ? ", and all later ones" : "");
    return text.str();
}

class matrix {
public:
    explicit matrix(scenario const& which) : which_(which) {}

    /// Runs the scenario with each fault whose description the function selects.
    template <class Function>
    tally run_selected(Function is_selected)
    {
        for (auto const& config : configs)
            for (auto const& what : possible_faults(run_clean(config)))
                if (is_selected(describe(config, what)))
                    run(config, what);
        return tally_;
    }

    /// Runs the scenario with one fault by every backend and watcher.
    void run_each(fault const& what)
    {
        for (auto const& config : configs)
            if (!run_clean(config).empty())
                run(config, what);
    }

private:
    // Returns the calls that are made without a fault.
    call_counts run_clean(backend_config config)
    {
        CAPTURE(config);
        auto const clean = supervise_one(config, std::nullopt);
        if (clean.failure.find("not supported") != clean.failure.npos) {
            MESSAGE("skipped: " << which_.name << " by " << config << " is not supported");
            return {};
        }
        ++tally_.runs;
        if (!clean.failure.empty())
            ++tally_.failed;
        CHECK_MESSAGE(clean.failure.empty(), which_.name << ", " << config << ", without a fault: " << clean.failure);
        descriptors_ = clean.note;
        return clean.calls;
    }

    static std::vector<fault> possible_faults(call_counts const& calls)
    {
        std::vector<fault> faults;
        for (auto const& [call, count] : calls) {
            auto const* const listed = find_call(call.second);
            CHECK_MESSAGE(listed, "system call " << call.second << " is in neither table");
            for (int const error : listed ? listed->errors : std::vector<int>())
                for (long index = 0; index < count; ++index)
                    for (bool const for_good : {false, true})
                        faults.push_back({call.second, call.first, index, error, for_good});
        }
        return faults;
    }

    void run(backend_config config, fault const& what)
    {
        if (auto const reason = reason_to_exclude(what, config.watcher, which_.name); !reason.empty()) {
            ++tally_.left_out[reason];
            return;
        }
        ++tally_.runs;
        auto const result = supervise_one(config, what);
        if (!result.failure.empty())
            ++tally_.failed;
        CHECK_MESSAGE(result.failure.empty(), which_.name << ", " << describe(config, what) << ": " << result.failure);
    }

    supervised_run supervise_one(backend_config config, std::optional<fault> const& what)
    {
        return supervise(
            [&](shared_state& shared) { test_scenario(which_.body, config, what, descriptors_, shared); }, what,
            untouched_, bound);
    }

    scenario const& which_;
    std::vector<int> const untouched_ = untouched_numbers();
    std::string descriptors_;
    tally tally_;
};

class cgroup_for_scenarios {
public:
    cgroup_for_scenarios() { use_cgroup(folder_ ? folder_.path() : std::string()); }
    ~cgroup_for_scenarios() { use_cgroup({}); }

    cgroup_for_scenarios(cgroup_for_scenarios const&) = delete;
    cgroup_for_scenarios& operator=(cgroup_for_scenarios const&) = delete;

private:
    cgroup_folder folder_;
};

} // namespace

TEST_SUITE_BEGIN("system calls");

TEST_CASE("system calls: each system call of an operation may fail")
{
    if (!can_inject_faults()) {
        MESSAGE("skipped: system calls cannot be intercepted here");
        return;
    }
    cgroup_for_scenarios const cgroup;
    for (auto const& scenario : all_scenarios()) {
        if (!is_selected(scenario.name))
            continue;
        if (scenario.possible && !scenario.possible()) {
            MESSAGE("skipped: " << scenario.name << ": " << scenario.condition);
            continue;
        }
        auto const counts = matrix(scenario).run_selected(
            [&](std::string const& fault) { return is_selected_fault(scenario.name, fault); });
        std::printf("scenario\t%s\t%ld\t%ld\n", scenario.name.c_str(), counts.runs, counts.failed);
        for (auto const& [reason, count] : counts.left_out)
            std::printf("left out\t%.*s\t%ld\n", static_cast<int>(reason.size()), reason.data(), count);
        std::fflush(stdout);
    }
}

// Parts of the descriptions of faults that the library once handled wrongly.
TEST_CASE("system calls: known faults have no wrong consequence")
{
    if (!can_inject_faults()) {
        MESSAGE("skipped: system calls cannot be intercepted here");
        return;
    }
    std::multimap<std::string_view, std::string_view> const known{
        {"detach", "waitid number 0 fails with Invalid argument, and all later ones"},
        {"context destroyed", "waitid number 3 fails with Invalid argument, and all later ones"},
        {"context destroyed", "mmap number 4 fails with Invalid argument, and all later ones"},
        {"user", "child's lseek number 0 fails with Bad file descriptor"},
        {"user", "child's mmap number 0 fails with Cannot allocate memory"},
        {"open_process", "poll number 1 fails with Invalid argument, and all later ones"},
        {"output with a timeout", "kill number 0 fails with Invalid argument, and all later ones"},
        {"group", "pidfd_send_signal number 0 fails with Bad file descriptor, and all later ones"},
        {"group, dropped", "kill number 2 fails with Invalid argument, and all later ones"},
        {"contained", "mmap number 3 fails with Permission denied, and all later ones"},
        {"contained", "waitid number 3 fails with Resource temporarily unavailable"},
        {"contained by a guard", "child's openat number 0 fails with Too many open files"},
        {"contained by a guard", "child's wait4 number 3 fails with Resource temporarily unavailable"},
        {"contained by a guard, stopped", "poll number 0 fails with Invalid argument, and all later ones"},
        {"pipeline, contained", "ioctl number 0 fails with Invalid argument"},
        {"namespaces", "write number 0 fails with Resource temporarily unavailable, and all later ones"},
    };
    cgroup_for_scenarios const cgroup;
    for (auto const& scenario : all_scenarios()) {
        auto const [first_part, last_part] = known.equal_range(scenario.name);
        if (first_part == last_part || (scenario.possible && !scenario.possible()))
            continue;
        matrix(scenario).run_selected([begin = first_part, end = last_part](std::string const& fault) {
            return std::any_of(begin, end, [&](auto const& part) { return fault.find(part.second) != fault.npos; });
        });
    }
}

// Asio cannot make the descriptors non-blocking, so that it watches none.
TEST_CASE("system calls: operations fail if the event loop cannot watch")
{
    if (!can_inject_faults()) {
        MESSAGE("skipped: system calls cannot be intercepted here");
        return;
    }
    for (auto const& scenario : all_scenarios())
        if (scenario.name == "async_spawn" || scenario.name == "async_wait" || scenario.name == "open_process")
            matrix(scenario).run_each({SYS_ioctl, caller::parent, 0, EPERM, true});
}

TEST_SUITE_END();
