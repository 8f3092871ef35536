// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// timing: runs commands many times, and compares their times and memory:
//
//     timing -n 20 gzip -k file ::: xz -k file
//     timing --scan level 1 9 --prepare 'rm -f file.gz' --svg plot.svg gzip -k -{level} file
#include "options.hpp"
#include "progress_bar.hpp"
#include "timing_plot.hpp"
#include "timing_report.hpp"
#include "timing_scan.hpp"

#include <brood.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

namespace asio = boost::asio;
using clock_type = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

constexpr char const* usage =
    "Usage: timing [options] command [argument...] [::: command [argument...]]...\n\n"
    "Runs each command once a round, in a different order each round, so that other load on the machine affects all\n"
    "commands equally. Prints the wall time from start to exit, the user and system time, the peak memory and the\n"
    "outliers: runs beyond 1.5 times the distance of the quartiles from them. Compares all with the first command.\n"
    "The peak memory is at least that of this program. The commands read and write /dev/null.\n\n"
    "A scan or list runs the commands that contain {NAME} with each value. Several give all combinations.\n\nOptions";

struct finished_run {
    seconds elapsed;
    brood::exit_status status;
    std::optional<brood::resource_usage> usage;
};

/// A command to measure, and the shell command that prepares each run; empty if there is none.
struct benchmark {
    brood::command cmd;
    std::string preparation;
    measurements results;

    void add(finished_run const& run)
    {
        auto const used = run.usage.value_or(brood::resource_usage());
        results.wall.push_back(run.elapsed.count());
        results.user.push_back(seconds(used.user_time).count());
        results.system.push_back(seconds(used.system_time).count());
        results.peak_memory.push_back(used.max_rss);
        results.statuses.push_back(run.status);
    }
};

struct options {
    std::vector<benchmark> benchmarks{};
    std::map<std::string, std::string> files{}; // the names by the reports' formats; empty for no report
    int runs = 10, warm_up = 1;
    bool ignore_failure = false;
};

/// The command as a shell user would type it.
std::string name_of(brood::command const& cmd)
{
    std::ostringstream text;
    text << cmd;
    return text.str();
}

/// The command with the values of the parameters. It reads and writes /dev/null.
brood::command make_command(brood::command const& cmd, assignment const& values = {})
{
    brood::command result(substitute(cmd.program(), values));
    for (auto const& argument : cmd.arguments())
        result.arg(substitute(argument, values));
    return result.in(brood::stdio::null()).out(brood::stdio::null()).err(brood::stdio::null());
}

/// The benchmarks of a command: one for each combination of the parameters in the command and its preparation.
std::vector<benchmark>
expand(brood::command const& cmd, std::string const& preparation, std::vector<parameter> const& parameters)
{
    auto texts = cmd.arguments();
    texts.push_back(cmd.program());
    texts.push_back(preparation);
    std::vector<benchmark> all;
    for (auto const& values : combinations(parameters, texts)) {
        auto const one = make_command(cmd, values);
        all.push_back({one, substitute(preparation, values), {name_of(one), values}});
    }
    return all;
}

std::vector<parameter>
make_parameters(std::vector<std::string> const& scans, std::vector<std::string> const& lists, std::string const& step)
try {
    std::vector<parameter> all;
    for (std::size_t i = 0; i < scans.size(); i += 3)
        all.push_back({scans[i], scan_values(scans[i + 1], scans[i + 2], step)});
    for (std::size_t i = 0; i < lists.size(); i += 2)
        all.push_back({lists[i], list_values(lists[i + 1])});
    return all;
} catch (std::logic_error const& error) { // of std::stod, too
    throw po::error(std::string("--scan: not a range of numbers: ") + error.what());
}

bool is_used(parameter const& parameter, std::vector<benchmark> const& benchmarks)
{
    for (auto const& bench : benchmarks)
        for (auto const& value : bench.results.parameters)
            if (value.first == parameter.name)
                return true;
    return false;
}

options parse(int argc, char** argv)
{
    options opts;
    std::vector<std::string> preparations, scans, lists;
    std::string step = "1";
    po::options_description known(usage);
    auto add = known.add_options();
    add("runs,n", po::value(&opts.runs)->default_value(opts.runs)->value_name("N"),
        "number of measured runs of each command");
    add("warm-up,w", po::value(&opts.warm_up)->default_value(opts.warm_up)->value_name("N"),
        "number of unmeasured runs before");
    add("prepare,p", po::value(&preparations)->value_name("TEXT"),
        "a shell command to run before each run; if repeated, one for each command");
    add("scan", (new words_value(&scans, 3))->value_name("NAME FIRST LAST"), "a parameter with a range of values");
    add("step", po::value(&step)->default_value(step)->value_name("N"), "the distance of the values of scans");
    add("list", (new words_value(&lists, 2))->value_name("NAME A,B,..."), "a parameter with a list of values");
    add("ignore-failure,i", po::bool_switch(&opts.ignore_failure), "continue if a command fails");
    for (char const* format : {"json", "markdown", "svg"})
        add(format, po::value(&opts.files[format])->value_name("FILE"),
            "also write this report; if FILE is -, instead of the text");
    auto const commands = split_commands(parse_options(argc, argv, known));
    if (opts.runs < 1 || opts.warm_up < 0)
        throw po::error("--runs must be at least 1, --warm-up at least 0");
    if (preparations.size() > 1 && preparations.size() != commands.size())
        throw po::error("--prepare must be given once, or once for each command");
    preparations.resize(commands.size(), preparations.empty() ? "" : preparations.front());
    auto const parameters = make_parameters(scans, lists, step);
    for (std::size_t i = 0; i < commands.size(); ++i)
        for (auto& one : expand(commands[i], preparations[i], parameters))
            opts.benchmarks.push_back(std::move(one));
    for (auto const& parameter : parameters)
        if (!is_used(parameter, opts.benchmarks))
            throw po::error("no command contains " + parameter.placeholder());
    return opts;
}

/// Runs a command to its end, and throws if it fails. No event loop runs, which would take a part of the time.
finished_run run_once(asio::io_context& loop, brood::command const& cmd, std::string const& name, bool ignore_failure)
{
    auto const start = clock_type::now();
    auto child = brood::spawn(loop, cmd);
    if (!child)
        throw std::runtime_error(name + ": " + child.error().message());
    auto const status = child.value().wait();
    auto const end = clock_type::now();
    if (!status)
        throw std::runtime_error(name + ": " + status.error().message());
    if (!status.value().success() && !ignore_failure)
        throw std::runtime_error(name + ": " + to_string(status.value()));
    return {end - start, status.value(), child.value().usage()};
}

void measure(options& opts)
{
    asio::io_context loop{1};
    progress_bar bar;
    bool const has_terminal = ::isatty(STDERR_FILENO) == 1;
    auto const start = clock_type::now();
    auto const total = static_cast<std::size_t>(opts.warm_up + opts.runs) * opts.benchmarks.size();
    std::vector<benchmark*> order;
    for (auto& bench : opts.benchmarks)
        order.push_back(&bench);
    std::mt19937 random;
    std::size_t done = 0;
    for (int round = -opts.warm_up; round < opts.runs; ++round) {
        std::shuffle(order.begin(), order.end(), random);
        for (auto* bench : order) {
            if (has_terminal) {
                auto const left = rate_and_time_left(done, total, seconds(clock_type::now() - start).count());
                bar.draw(done, total, bench->results.command + left);
            }
            if (!bench->preparation.empty()) {
                auto const preparation = make_command(brood::command::shell(bench->preparation));
                run_once(loop, preparation, bench->preparation, false);
            }
            auto const run = run_once(loop, bench->cmd, bench->results.command, opts.ignore_failure);
            if (round >= 0)
                bench->add(run);
            ++done;
        }
    }
}

int run(options opts)
{
    std::map<std::string, std::ofstream> files;
    for (auto const& [format, name] : opts.files) // before the measurement, which may take long
        if (!name.empty() && name != "-" && !(files[format] = std::ofstream(name)).is_open())
            throw std::runtime_error("cannot write " + name);
    measure(opts);
    std::vector<measurements> results;
    for (auto& bench : opts.benchmarks)
        results.push_back(std::move(bench.results));
    std::string output = to_text(results);
    for (auto const& [format, name] : opts.files) {
        if (name.empty())
            continue;
        auto const report = format == "json"  ? to_json(results)
                            : format == "svg" ? to_svg(results)
                                              : to_markdown(results);
        if (name == "-")
            output = report;
        else if (!(files[format] << report).flush())
            throw std::runtime_error("cannot write " + name);
    }
    std::cout << output << std::flush;
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    return run_program("timing", [&] { return run(parse(argc, argv)); });
}
