// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// timing: runs commands many times and prints their time and memory:
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
#include <cstdint>
#include <cstdio>
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
        "Runs the commands in turn, many times. Prints the wall time from start to exit, the user and system time,\n"
        "and the peak memory, and compares several commands. The peak memory is at least that of this program.\n"
        "The commands read and write /dev/null.\n\nOptions");
    auto add = known.add_options();
    add("runs,n", po::value(&opts.runs)->default_value(opts.runs)->value_name("N"),
        "number of measured runs of each command");
    add("warm-up,w", po::value(&opts.warm_up)->default_value(opts.warm_up)->value_name("N"),
        "number of unmeasured runs before");
    add("ignore-failure,i", po::bool_switch(&opts.ignore_failure), "continue if a command fails");
    auto const words = parse_options(argc, argv, known);
    if (opts.runs < 1 || opts.warm_up < 0)
        throw po::error("--runs must be at least 1, --warm-up at least 0");
    opts.commands = split_commands(words);
    for (auto& cmd : opts.commands)
        cmd.in(brood::stdio::null()).out(brood::stdio::null()).err(brood::stdio::null());
    return opts;
}

/// Measured values, in milliseconds.
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

    /// The sample standard deviation; 0 for a single value.
    double deviation() const
    {
        double squares = 0;
        for (double value : values_)
            squares += (value - mean()) * (value - mean());
        return values_.size() > 1 ? std::sqrt(squares / (count() - 1)) : 0;
    }

    void print(char const* name) const
    {
        auto const [min, max] = std::minmax_element(values_.begin(), values_.end());
        std::printf("  %-7s %10.3f ms ± %8.3f    %10.3f ... %.3f\n", name, mean(), deviation(), *min, *max);
    }

private:
    double count() const { return static_cast<double>(values_.size()); }

    std::vector<double> values_;
};

/// The measurements of a command.
struct measurements {
    std::string name;
    series wall, user, system;
    std::uint64_t peak_memory = 0;
    int failures = 0;
};

std::string name_of(brood::command const& cmd)
{
    std::string name = cmd.program();
    for (auto const& argument : cmd.arguments())
        name += ' ' + argument;
    return name;
}

asio::awaitable<void> run_once(brood::command const& cmd, measurements& results, bool measured, bool ignore_failure)
{
    auto const begin = std::chrono::steady_clock::now();
    auto spawned = brood::spawn(co_await asio::this_coro::executor, cmd);
    if (!spawned)
        throw std::runtime_error(results.name + ": " + spawned.error().message());
    auto& child = spawned.value();
    auto const status = co_await child.async_wait();
    milliseconds const wall = std::chrono::steady_clock::now() - begin;
    if (!status.success() && !ignore_failure)
        throw std::runtime_error(results.name + ": " + to_string(status) + " (-i ignores this)");
    if (!measured)
        co_return;
    auto const used = child.usage().value_or(brood::resource_usage());
    results.failures += !status.success();
    results.wall.add(wall);
    results.user.add(used.user_time);
    results.system.add(used.system_time);
    results.peak_memory = std::max(results.peak_memory, used.max_rss);
}

asio::awaitable<void> measure(options const& opts, std::vector<measurements>& all)
{
    // In turn, so that other load on the machine affects all commands equally.
    for (int i = -opts.warm_up; i < opts.runs; ++i)
        for (std::size_t index = 0; index < all.size(); ++index)
            co_await run_once(opts.commands[index], all[index], i >= 0, opts.ignore_failure);
}

void print(measurements const& results, int runs)
{
    std::printf("%s\n  %d runs        mean ± deviation             min ... max\n", results.name.c_str(), runs);
    results.wall.print("wall");
    results.user.print("user");
    results.system.print("system");
    std::printf("  memory  %10.1f MiB peak\n", static_cast<double>(results.peak_memory) / (1 << 20));
    if (results.failures > 0)
        std::printf("  failed  %d times\n", results.failures);
}

void compare(measurements const& results, measurements const& fastest)
{
    auto const relative = [](series const& values) { return values.deviation() / values.mean(); };
    auto const ratio = results.wall.mean() / fastest.wall.mean();
    std::printf(
        "%s\n  takes %.2f ± %.2f times as long as\n%s\n", results.name.c_str(), ratio,
        ratio * std::hypot(relative(results.wall), relative(fastest.wall)), fastest.name.c_str());
}

int run(options const& opts)
{
    std::vector<measurements> all;
    for (auto const& cmd : opts.commands)
        all.push_back({name_of(cmd), {}, {}, {}});
    asio::io_context loop{1};
    asio::co_spawn(loop, measure(opts, all), rethrow);
    loop.run();
    for (auto const& results : all)
        print(results, opts.runs);
    auto const faster = [](measurements const& a, measurements const& b) { return a.wall.mean() < b.wall.mean(); };
    auto const fastest = std::min_element(all.begin(), all.end(), faster);
    for (auto const& results : all)
        if (&results != &*fastest)
            compare(results, *fastest);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return run_program("timing", [&] { return run(parse(argc, argv)); });
}
