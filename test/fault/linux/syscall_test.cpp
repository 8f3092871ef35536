// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fault/linux/expectations.hpp"
#include "fault/linux/scenarios.hpp"
#include "support/cgroup_folder.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

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

// The runs are numbered within a scenario: `first` and every `step`-th after it are made.
long const step = number_from("BROOD_FAULT_STEP", 1000);
long const first = number_from("BROOD_FAULT_FIRST", 0);

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

std::string describe(fault const& what)
{
    return std::string(what.who == caller::parent ? "" : "child's ") + std::string(find_call(what.call)->name) +
           " number " + std::to_string(what.index) + " fails with " + std::strerror(what.error) +
           (what.for_good ? ", and all later ones" : "");
}

class matrix {
public:
    explicit matrix(scenario const& which) : which_(which) {}

    tally run()
    {
        for (auto const& config : configs)
            run(config);
        return tally_;
    }

private:
    void run(backend_config config)
    {
        CAPTURE(config);
        auto const clean = supervise_one(config, std::nullopt);
        if (clean.failure.find("not supported") != clean.failure.npos) {
            MESSAGE("skipped: " << which_.name << " by " << config << " is not supported");
            return;
        }
        CHECK(clean.failure == "");
        descriptors_ = clean.note;
        for (auto const& [call, count] : clean.calls) {
            auto const* const listed = find_call(call.second);
            INFO("call " << call.second);
            CHECK_MESSAGE(listed, "neither the failing nor the untouched calls contain it");
            for (int const error : listed ? listed->errors : std::vector<int>())
                for (long index = 0; index < count; ++index)
                    for (bool const for_good : {false, true})
                        run(config, {call.second, call.first, index, error, for_good});
        }
    }

    void run(backend_config config, fault const& what)
    {
        long const number = number_++;
        if (number < first || (number - first) % step != 0)
            return;
        if (auto const reason = reason_to_exclude(what); !reason.empty()) {
            ++tally_.left_out[reason];
            return;
        }
        ++tally_.runs;
        auto const result = supervise_one(config, what);
        if (!result.failure.empty())
            ++tally_.failed;
        CHECK_MESSAGE(
            result.failure.empty(),
            which_.name << ", " << config << ", run " << number << ": " << describe(what) << ": " << result.failure);
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
    long number_ = 0;
    tally tally_;
};

} // namespace

TEST_SUITE_BEGIN("system calls");

TEST_CASE("system calls: each system call of an operation may fail")
{
    if (!can_inject_faults()) {
        MESSAGE("skipped: system calls cannot be intercepted here");
        return;
    }
    cgroup_folder const cgroup;
    use_cgroup(cgroup ? cgroup.path() : std::string());
    for (auto const& scenario : all_scenarios()) {
        if (!is_selected(scenario.name))
            continue;
        if (scenario.possible && !scenario.possible()) {
            MESSAGE("skipped: " << scenario.name << ": " << scenario.condition);
            continue;
        }
        auto const counts = matrix(scenario).run();
        std::printf("scenario\t%s\t%ld\t%ld\n", scenario.name.c_str(), counts.runs, counts.failed);
        for (auto const& [reason, count] : counts.left_out)
            std::printf("left out\t%.*s\t%ld\n", static_cast<int>(reason.size()), reason.data(), count);
        std::fflush(stdout);
    }
}

TEST_SUITE_END();
