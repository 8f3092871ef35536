// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"
#include "support/system.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <thread>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

// The number of children: 2,000 by default, or the value of BROOD_STRESS.
int child_count()
{
    char const* const count = std::getenv("BROOD_STRESS");
    return count ? std::atoi(count) : 2000;
}

thread_local std::array<unsigned long, 64> thread_pattern;

/// Keeps eight children running and checks that memory shared with a starting child is not modified.
class spawner {
public:
    spawner(command cmd, int children, unsigned long pattern)
        : command_(std::move(cmd)), remaining_(children), pattern_(pattern)
    {}

    void run()
    {
        thread_pattern.fill(pattern_);
        for (int i = 0; i < 8; ++i)
            start_next();
        context_.run();
        intact_ = intact_ && std::all_of(thread_pattern.begin(), thread_pattern.end(), [this](auto word) {
                      return word == pattern_;
                  });
    }

    int exited() const { return exited_; }
    bool intact() const { return intact_; }

private:
    void start_next()
    {
        if (remaining_-- <= 0)
            return;
        std::string const expected(100, static_cast<char>('a' + remaining_ % 26));
        auto const content = std::make_shared<std::string>(expected);
        async_spawn(context_, command_, [this, expected, content](error_code ec, child spawned) {
            intact_ = intact_ && !ec.failed() && *content == expected;
            auto const running = std::make_shared<child>(std::move(spawned));
            running->async_wait([this, running](error_code error, exit_status status) {
                exited_ += !error.failed() && status.success();
                start_next();
            });
        });
    }

    command const command_;
    asio::io_context context_;
    int remaining_, exited_ = 0;
    unsigned long const pattern_;
    bool intact_ = true;
};

/// Starts threads that allocate memory, one after the other, until it is destroyed.
class thread_churn {
public:
    thread_churn()
        : thread_([this] {
              block_child_signal();
              while (!stopped_) {
                  std::thread([] {
                      std::vector<std::unique_ptr<char[]>> blocks;
                      for (std::size_t size = 1; size < 100'000; size *= 3)
                          blocks.push_back(std::make_unique<char[]>(size));
                  }).join();
              }
          })
    {}

    ~thread_churn()
    {
        stopped_ = true;
        thread_.join();
    }

private:
    // ThreadSanitizer runs signal handlers inside pthread_join(3) at once. A handler that runs inside free(3) there
    // deadlocks, because it needs the same lock.
    static void block_child_signal()
    {
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGCHLD);
        ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    }

    std::atomic<bool> stopped_ = false;
    std::thread thread_;
};

} // namespace

TEST_SUITE_BEGIN("async_spawn");

TEST_CASE("async_spawn: children of four threads do not modify the memory shared with the parent" * needs_threads())
{
    int const configs = static_cast<int>(all_configs().size());
    for_each_config([&](backend_config const& config) {
        constexpr int threads = 4;
        int const children = std::max(child_count() / threads / configs, 1);
        thread_churn churn;
        std::vector<std::unique_ptr<spawner>> spawners;
        for (unsigned long i = 0; i < threads; ++i)
            spawners.push_back(
                std::make_unique<spawner>(probe(config, "exit", "0"), children, 0x0123456789abcdef * (i + 1)));
        std::vector<std::thread> running;
        for (auto& spawner : spawners)
            running.emplace_back([&spawner] { spawner->run(); });
        for (auto& thread : running)
            thread.join();
        for (auto& spawner : spawners) {
            CHECK(spawner->exited() == children);
            CHECK(spawner->intact());
        }
        CHECK(system::is_dumpable());
        CHECK_FALSE(has_children());
    });
}

TEST_SUITE_END();
