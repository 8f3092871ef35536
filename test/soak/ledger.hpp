// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SOAK_LEDGER_HPP
#define BROOD_TEST_SOAK_LEDGER_HPP

#include <array>
#include <atomic>
#include <string>
#include <string_view>

namespace test::soak {

/// What can happen to a child.
enum class fate {
    wait,         ///< Its end is waited for.
    cancel,       ///< A wait is cancelled, and another one follows.
    wait_here,    ///< A thread blocks until its end.
    kill,         ///< It is killed.
    stop,         ///< It is stopped by a plan.
    suspend,      ///< It is stopped by SIGSTOP first.
    trace,        ///< A debugger stops it and lets it go.
    drop,         ///< Its object is destroyed while it runs.
    drop_ended,   ///< Its object is destroyed, perhaps after its end.
    detach,       ///< It is detached.
    steal,        ///< Another thread tries to reap it.
    capture,      ///< Its output is captured.
    abandon,      ///< The same, cancelled.
    cancel_start, ///< Its start is cancelled.
    fail,         ///< Its program does not exist.
    pipeline,     ///< It is a stage of a pipeline.
    group,        ///< It belongs to a group.
    destroy,      ///< Its context is destroyed.
    fork,         ///< It is a process that is forked and uses the library.
    count
};

std::string_view name_of(fate f);

/// Counts what begins and ends. Thread-safe.
class ledger {
public:
    /// An operation begins. It must end once: in the usual way, or in another one that is right, too.
    void begin(fate f) { ++rows_[index(f)].begun; }
    void end(fate f, bool usual) { ++(usual ? rows_[index(f)].usual : rows_[index(f)].unusual); }

    /// Returns the condition. Reports an error if it does not hold.
    bool check(bool condition, std::string const& text);

    /// Waits until every operation that has begun has ended. Aborts if none ends for two minutes.
    void wait_for_end(std::atomic<int> const& running);

    /// Checks that every operation has ended once, and that every handler was called or destroyed.
    void check_balance();

    void print() const;

    long errors() const { return errors_; }

    std::atomic<long> handlers_created = 0, handlers_called = 0, handlers_destroyed = 0;
    std::atomic<long> children = 0; ///< Those of successful starts.

private:
    struct counts {
        std::atomic<long> begun = 0, usual = 0, unusual = 0;
    };

    static std::size_t index(fate f) { return static_cast<std::size_t>(f); }
    long count_ended() const;

    std::array<counts, static_cast<std::size_t>(fate::count)> rows_;
    std::atomic<long> errors_ = 0;
};

} // namespace test::soak

#endif
