// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/watchdog.hpp"

#include "support/system.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::seconds;

// A case that waits in vain for a minute fails by itself, so that the other cases still run.
constexpr seconds default_limit{120};

// In memory that both processes share.
struct progress {
    std::atomic<char const*> name = nullptr; // of the running case: a literal, which has one address in both
    std::atomic<clock::rep> started = 0;
    std::atomic<unsigned> passed = 0, failed = 0;
};

progress* current = nullptr;

void start_clock() { current->started = clock::now().time_since_epoch().count(); }

class progress_listener final : public doctest::IReporter {
public:
    explicit progress_listener(doctest::ContextOptions const&) {}

    void test_case_start(doctest::TestCaseData const& data) override
    {
        if (!current)
            return;
        start_clock();
        current->name = data.m_name;
    }

    void subcase_start(doctest::SubcaseSignature const&) override
    {
        if (current)
            start_clock();
    }

    void test_case_end(doctest::CurrentTestCaseStats const& stats) override
    {
        if (!current)
            return;
        current->name = nullptr;
        ++(stats.failure_flags == 0 ? current->passed : current->failed);
    }

    void report_query(doctest::QueryData const&) override {}
    void test_run_start() override {}
    void test_run_end(doctest::TestRunStats const&) override {}
    void test_case_reenter(doctest::TestCaseData const&) override {}
    void test_case_exception(doctest::TestCaseException const&) override {}
    void subcase_end() override {}
    void log_assert(doctest::AssertData const&) override {}
    void log_message(doctest::MessageData const&) override {}
    void test_case_skipped(doctest::TestCaseData const&) override {}
};

REGISTER_LISTENER("progress", 1, progress_listener);

// In the form of doctest, so that the cases are counted.
void report_failed_case(std::string const& problem)
{
    char const* const name = current->name;
    unsigned const passed = current->passed, failed = current->failed + 1;
    std::printf(
        "\n%s in the test case: %s\n[doctest] test cases: %u | %u passed | %u failed\n", problem.c_str(),
        name ? name : "(none)", passed + failed, passed, failed);
    std::fflush(stdout);
}

bool is_over_limit(seconds limit)
{
    clock::time_point const started{clock::duration(current->started)};
    return current->name && clock::now() - started > limit;
}

// Children of the tests may still hold the standard streams open. If this process leads its group, nobody else is in
// it.
void end_tests(pid_t tests)
{
    ::kill(tests, SIGKILL);
    ::waitpid(tests, nullptr, 0);
    if (::getpgrp() == ::getpid())
        ::kill(0, SIGKILL);
}

int watch(pid_t tests, seconds limit)
{
    struct sigaction interrupting {}; // without SA_RESTART: interrupts waitpid
    interrupting.sa_handler = [](int) {};
    ::sigaction(SIGALRM, &interrupting, nullptr);
    itimerval const often{{0, 250'000}, {0, 250'000}};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    int status = 0;
    while (::waitpid(tests, &status, 0) != tests) {
        if (errno != EINTR)
            return EXIT_FAILURE;
        if (is_over_limit(limit)) {
            report_failed_case("Not ended after " + std::to_string(limit.count()) + " s");
            end_tests(tests);
            return EXIT_FAILURE;
        }
    }
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    report_failed_case("Ended by signal " + std::to_string(WTERMSIG(status)));
    return EXIT_FAILURE;
}

} // namespace

int run_watched(int (*run_tests)(int, char**), int argc, char** argv)
{
    char const* const text = std::getenv("BROOD_CASE_LIMIT");
    seconds const limit = text ? seconds(std::atoi(text)) : default_limit;
    if (limit == seconds(0))
        return run_tests(argc, argv);
    void* const shared = ::mmap(nullptr, sizeof(progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return run_tests(argc, argv);
    current = new (shared) progress;
    pid_t const tests = ::fork();
    if (tests > 0)
        return watch(tests, limit);
    if (tests == 0)
        system::end_with_parent();
    return run_tests(argc, argv); // also if a filter refuses the fork
}

} // namespace test
