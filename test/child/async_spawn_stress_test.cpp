// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <thread>

#include <signal.h>
#include <sys/prctl.h>

using namespace brood;
using namespace test;

namespace {

// 2,000 children in a usual run. BROOD_STRESS=100000 asks for more.
int wanted_children()
{
    char const* const wanted = std::getenv("BROOD_STRESS");
    return wanted ? std::atoi(wanted) : 2000;
}

thread_local std::array<unsigned long, 64> of_this_thread;

/// Keeps some children on their way at a time, and looks for what their sharing of memory could have spoilt.
class spawner {
public:
    spawner(command cmd, int children, unsigned long mark) : command_(std::move(cmd)), left_(children), mark_(mark) {}

    void run()
    {
        of_this_thread.fill(mark_);
        for (int i = 0; i < 8; ++i)
            start_one();
        context_.run();
        intact_ = intact_ && std::all_of(of_this_thread.begin(), of_this_thread.end(), [this](auto word) {
                      return word == mark_;
                  });
    }

    int ended() const { return ended_; }
    bool intact() const { return intact_; }

private:
    void start_one()
    {
        if (left_-- <= 0)
            return;
        std::string const expected(100, static_cast<char>('a' + left_ % 26));
        auto const filled = std::make_shared<std::string>(expected);
        async_spawn(context_, command_, [this, expected, filled](error_code ec, child made) {
            intact_ = intact_ && !ec.failed() && *filled == expected;
            auto const kept = std::make_shared<child>(std::move(made));
            kept->async_wait([this, kept](error_code failed, exit_status status) {
                ended_ += !failed.failed() && status.success();
                start_one();
            });
        });
    }

    command const command_;
    asio::io_context context_;
    int left_, ended_ = 0;
    unsigned long const mark_;
    bool intact_ = true;
};

/// Threads that come, allocate and go, for as long as this lives.
class commotion {
public:
    commotion()
        : thread_([this] {
              block_child_signal();
              while (!over_) {
                  std::thread([] {
                      std::vector<std::unique_ptr<char[]>> blocks;
                      for (std::size_t size = 1; size < 100'000; size *= 3)
                          blocks.push_back(std::make_unique<char[]>(size));
                  }).join();
              }
          })
    {}

    ~commotion()
    {
        over_ = true;
        thread_.join();
    }

private:
    // ThreadSanitizer calls a handler at once that comes within pthread_join(3), even within a free(3) in there, whose
    // lock the call needs, too.
    static void block_child_signal()
    {
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGCHLD);
        ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    }

    std::atomic<bool> over_ = false;
    std::thread thread_;
};

} // namespace

TEST_SUITE_BEGIN("async_spawn stress");

TEST_CASE("children of four threads share memory with a process that goes on" * needs_threads())
{
    leaves_nothing guard;
    auto const ways = all_ways();
    for (auto const& w : ways) {
        CAPTURE(w);
        constexpr int threads = 4;
        int const each = std::max(wanted_children() / threads / static_cast<int>(ways.size()), 1);
        commotion others;
        std::vector<std::unique_ptr<spawner>> spawners;
        for (unsigned long i = 0; i < threads; ++i)
            spawners.push_back(std::make_unique<spawner>(probe(w, "exit", "0"), each, 0x0123456789abcdef * (i + 1)));
        std::vector<std::thread> running;
        for (auto& one : spawners)
            running.emplace_back([&one] { one->run(); });
        for (auto& thread : running)
            thread.join();
        for (auto& one : spawners) {
            CHECK(one->ended() == each);
            CHECK(one->intact());
        }
        CHECK(::prctl(PR_GET_DUMPABLE) == 1);
        CHECK_FALSE(has_children());
    }
}

TEST_SUITE_END();
