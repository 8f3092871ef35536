// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "soak/ledger.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace test::soak {
namespace {

constexpr std::array<char const*, static_cast<std::size_t>(fate::count)> names{
    "wait",  "cancel",  "wait here", "kill",         "stop", "suspend",  "trace", "drop",    "drop ended", "detach",
    "steal", "capture", "abandon",   "cancel start", "fail", "pipeline", "group", "destroy", "fork",
};

} // namespace

std::string_view name_of(fate f) { return names[static_cast<std::size_t>(f)]; }

bool ledger::check(bool condition, std::string const& text)
{
    constexpr long printed = 20;
    if (!condition && errors_++ < printed)
        std::fprintf(stderr, "error: %s\n", text.c_str());
    return condition;
}

long ledger::count_ended() const
{
    long all = 0;
    for (auto const& row : rows_)
        all += row.usual + row.unusual;
    return all;
}

void ledger::wait_for_end(std::atomic<int> const& running)
{
    using namespace std::chrono_literals;
    auto const clock = [] { return std::chrono::steady_clock::now(); };
    long ended = count_ended();
    for (auto since = clock(); running > 0; std::this_thread::sleep_for(10ms)) {
        if (long const now = count_ended(); now != ended) {
            ended = now;
            since = clock();
        }
        if (clock() - since < 120s)
            continue;
        check_balance();
        std::fputs("error: no operation has ended for two minutes\n", stderr);
        std::abort();
    }
}

void ledger::check_balance()
{
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        long const begun = rows_[i].begun, ended = rows_[i].usual + rows_[i].unusual;
        check(
            begun == ended,
            std::string(names[i]) + ": " + std::to_string(begun) + " begun, " + std::to_string(ended) + " ended");
    }
    long const created = handlers_created, called = handlers_called, destroyed = handlers_destroyed;
    check(
        created == called + destroyed, std::to_string(created) + " handlers, " + std::to_string(called) + " called, " +
                                           std::to_string(destroyed) + " destroyed");
}

void ledger::print() const
{
    std::printf("%-14s %9s %9s\n", "", "begun", "otherwise");
    for (std::size_t i = 0; i < rows_.size(); ++i)
        std::printf("%-14s %9ld %9ld\n", names[i], rows_[i].begun.load(), rows_[i].unusual.load());
    std::printf(
        "%ld children, %ld handlers: %ld called, %ld destroyed\n", children.load(), handlers_created.load(),
        handlers_called.load(), handlers_destroyed.load());
}

} // namespace test::soak
