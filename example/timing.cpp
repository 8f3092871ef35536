// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// timing: runs commands many times, and tells how long they take and how much memory:
//
//     timing -n 20 gzip -k file ::: xz -k file
#include "options.hpp"

#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using milliseconds = std::chrono::duration<double, std::milli>;

struct options {
    std::vector<brood::command> commands;
    int runs = 10;
    int warm_up = 1;
    bool ignore_failure = false;
};

options parse(int argc, char** argv)
{
    options opts;
    po::options_description known(
        "Usage: timing [options] command [argument...] [::: command [argument...]]...\n\n"
        "Runs the commands in turn, many times, and tells the time from the start of each to its end, its user and\n"
        "system time, and its peak memory, which is this program's own at least; of several, how they compare.\n"
        "They read and write /dev/null.\n\nOptions");
    auto add = known.add_options();
    add("runs,n", po::value(&opts.runs)->default_value(opts.runs)->value_name("N"), "measure so many runs of each");
    add("warm-up,w", po::value(&opts.warm_up)->default_value(opts.warm_up)->value_name("N"),
        "before that, run each so many times unmeasured");
    add("ignore-failure,i", po::bool_switch(&opts.ignore_failure), "go on when a command fails");
    auto const words = parse_options(argc, argv, known);
    if (opts.runs < 1 || opts.warm_up < 0)
        throw po::error("--runs takes a number from 1 on, --warm-up one from 0 on");
    for (auto begin = words.begin();; ++begin) {
        auto const end = std::find(begin, words.end(), ":::");
        if (begin == end)
            throw po::error("no command; try --help");
        brood::command cmd(*begin, {begin + 1, end});
        opts.commands.push_back(cmd.in(brood::stdio::null()).out(brood::stdio::null()).err(brood::stdio::null()));
        if (begin = end; end == words.end())
            return opts;
    }
}

/// The measurements of one figure, in milliseconds.
class series {
public:
    void add(milliseconds value) { values_.push_back(value.count()); }

    double mean() const
    {
        double sum = 0;
        for (double value : values_)
            sum += value;
        return sum / count();
    }

    /// The standard deviation that a sample tells of the whole; 0 of a single one.
    double deviation() const
    {
        double squares = 0;
        for (double value : values_)
            squares += (value - mean()) * (value - mean());
        return values_.size() > 1 ? std::sqrt(squares / (count() - 1)) : 0;
    }

    void print(char const* name) const
    {
        auto const [least, most] = std::minmax_element(values_.begin(), values_.end());
        std::printf("  %-7s %10.3f ms ± %8.3f    %10.3f ... %.3f\n", name, mean(), deviation(), *least, *most);
    }

private:
    double count() const { return static_cast<double>(values_.size()); }

    std::vector<double> values_;
};

/// All that is known of one command.
struct measured {
    std::string name;
    series wall, user, system;
    std::size_t peak_memory = 0;
    int failures = 0;
};

std::string name_of(brood::command const& cmd)
{
    std::string name = cmd.program();
    for (auto const& argument : cmd.arguments())
        name += ' ' + argument;
    return name;
}

asio::awaitable<void> run_once(brood::command const& cmd, measured& into, bool counts, bool ignore_failure)
{
    auto const begin = std::chrono::steady_clock::now();
    auto spawned = brood::spawn(co_await asio::this_coro::executor, cmd);
    if (!spawned)
        throw std::runtime_error(into.name + ": " + spawned.error().message());
    auto& child = spawned.value();
    auto const status = co_await child.async_wait();
    milliseconds const wall = std::chrono::steady_clock::now() - begin;
    if (!status.success() && !ignore_failure)
        throw std::runtime_error(into.name + ": " + to_string(status) + " (-i goes on all the same)");
    if (!counts)
        co_return;
    auto const used = child.usage().value_or(brood::resource_usage());
    into.failures += !status.success();
    into.wall.add(wall);
    into.user.add(used.user_time);
    into.system.add(used.system_time);
    into.peak_memory = std::max(into.peak_memory, used.max_rss);
}

asio::awaitable<void> measure(options const& opts, std::vector<measured>& all)
{
    // In turn, so that what else the machine does hits all alike.
    for (int i = -opts.warm_up; i < opts.runs; ++i)
        for (std::size_t which = 0; which < all.size(); ++which)
            co_await run_once(opts.commands[which], all[which], i >= 0, opts.ignore_failure);
}

void print(measured const& one, int runs)
{
    std::printf("%s\n  %d runs        mean ± deviation           least ... most\n", one.name.c_str(), runs);
    one.wall.print("wall");
    one.user.print("user");
    one.system.print("system");
    std::printf("  memory  %10.1f MiB at its peak\n", static_cast<double>(one.peak_memory) / (1 << 20));
    if (one.failures > 0)
        std::printf("  failed  %d times\n", one.failures);
}

void compare(measured const& one, measured const& fastest)
{
    auto const part = [](series const& of) { return of.deviation() / of.mean(); };
    auto const ratio = one.wall.mean() / fastest.wall.mean();
    std::printf(
        "%s\n  takes %.2f ± %.2f times as long as\n%s\n", one.name.c_str(), ratio,
        ratio * std::hypot(part(one.wall), part(fastest.wall)), fastest.name.c_str());
}

int run(options const& opts)
{
    std::vector<measured> all;
    for (auto const& cmd : opts.commands)
        all.push_back({name_of(cmd), {}, {}, {}});
    asio::io_context loop{1};
    asio::co_spawn(loop, measure(opts, all), [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    });
    loop.run();
    for (auto const& one : all)
        print(one, opts.runs);
    auto const slower = [](measured const& a, measured const& b) { return a.wall.mean() < b.wall.mean(); };
    auto const fastest = std::min_element(all.begin(), all.end(), slower);
    for (auto const& one : all)
        if (&one != &*fastest)
            compare(one, *fastest);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return run_program("timing", [&] { return run(parse(argc, argv)); });
}
