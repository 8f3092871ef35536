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
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
using milliseconds = std::chrono::duration<double, std::milli>;

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

/// A command and its measurements.
struct benchmark {
    std::string name;
    brood::command cmd;
    series wall, user, system;
    std::uint64_t peak_memory = 0;
    int failures = 0;

    void add(brood::output const& result)
    {
        auto const used = result.usage.value_or(brood::resource_usage());
        wall.add(result.elapsed);
        user.add(used.user_time);
        system.add(used.system_time);
        peak_memory = std::max(peak_memory, used.max_rss);
        failures += !result.status.success();
    }
};

struct options {
    std::vector<benchmark> benchmarks;
    int runs = 10;
    int warm_up = 1;
    bool ignore_failure = false;
};

std::string name_of(brood::command const& cmd)
{
    std::string name = cmd.program();
    for (auto const& argument : cmd.arguments())
        name += ' ' + argument;
    return name;
}

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
    for (auto& cmd : split_commands(words)) {
        auto const name = name_of(cmd);
        cmd.in(brood::stdio::null()).out(brood::stdio::null()).err(brood::stdio::null());
        opts.benchmarks.push_back({name, cmd, {}, {}, {}});
    }
    return opts;
}

asio::awaitable<void> measure(options& opts)
{
    auto const executor = co_await asio::this_coro::executor;
    // In turn, so that other load on the machine affects all commands equally.
    for (int i = -opts.warm_up; i < opts.runs; ++i)
        for (auto& bench : opts.benchmarks) {
            auto const result = co_await brood::async_output(executor, bench.cmd, brood::as_result);
            if (!result)
                throw std::runtime_error(bench.name + ": " + result.error().message());
            auto const status = result.value().status;
            if (!status.success() && !opts.ignore_failure)
                throw std::runtime_error(bench.name + ": " + to_string(status) + " (-i ignores this)");
            if (i >= 0)
                bench.add(result.value());
        }
}

void print(benchmark const& bench, int runs)
{
    std::printf("%s\n  %d runs        mean ± deviation             min ... max\n", bench.name.c_str(), runs);
    bench.wall.print("wall");
    bench.user.print("user");
    bench.system.print("system");
    std::printf("  memory  %10.1f MiB peak\n", static_cast<double>(bench.peak_memory) / (1 << 20));
    if (bench.failures > 0)
        std::printf("  failed  %d times\n", bench.failures);
}

void compare(benchmark const& bench, benchmark const& fastest)
{
    auto const relative = [](series const& values) { return values.deviation() / values.mean(); };
    auto const ratio = bench.wall.mean() / fastest.wall.mean();
    std::printf(
        "%s\n  takes %.2f ± %.2f times as long as\n%s\n", bench.name.c_str(), ratio,
        ratio * std::hypot(relative(bench.wall), relative(fastest.wall)), fastest.name.c_str());
}

int run(options opts)
{
    auto const& all = opts.benchmarks;
    asio::io_context loop{1};
    asio::co_spawn(
        loop, [&opts] { return measure(opts); }, rethrow);
    loop.run();
    for (auto const& bench : all)
        print(bench, opts.runs);
    auto const faster = [](benchmark const& a, benchmark const& b) { return a.wall.mean() < b.wall.mean(); };
    auto const fastest = std::min_element(all.begin(), all.end(), faster);
    for (auto const& bench : all)
        if (&bench != &*fastest)
            compare(bench, *fastest);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return run_program("timing", [&] { return run(parse(argc, argv)); });
}
