// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// What it costs to start children and await them, beside the least that a program can do.
#include "brood_loop.hpp"
#include "floor.hpp"
#include "measure.hpp"
#include "touched_memory.hpp"

#include <boost/program_options.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>

#include <signal.h>
#include <unistd.h>

namespace {

using brood::exit_reaper;
using brood::spawn_backend;

struct options {
    std::string program;
    int rounds = 31;
    int batch = 100;
    double gib = 1;
    std::string only;
};

struct way {
    char const* name;
    spawn_backend backend;
    exit_reaper reaper;
    bool credentials = false; // as a user, if only as the same one
};

constexpr way ways[] = {
    {"vfork", spawn_backend::vfork, exit_reaper::pidfd},
    {"posix_spawn", spawn_backend::posix_spawn, exit_reaper::pidfd},
    {"fork", spawn_backend::fork, exit_reaper::pidfd},
    {"vfork, sigchld", spawn_backend::vfork, exit_reaper::sigchld},
    {"vfork, user", spawn_backend::vfork, exit_reaper::pidfd, true},
};

// What the figures have to reach at this stage.
constexpr double goal = 1.25;
constexpr int many = 32;

std::string beside_this_program(char const* name)
{
    auto const path = std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
    return std::filesystem::exists(path) ? path.string() : "/bin/true";
}

std::optional<options> parse(int argc, char** argv)
{
    namespace po = boost::program_options;
    options chosen;
    po::options_description all("Starts and awaits children, beside the least that a program can do. Options");
    // clang-format off
    all.add_options()
        ("help", "show this")
        ("program", po::value(&chosen.program)->value_name("PATH"), "what to run; default: a program that exits at once")
        ("rounds", po::value(&chosen.rounds)->value_name("N"), "default 31")
        ("batch", po::value(&chosen.batch)->value_name("N"), "children per round; default 100")
        ("gib", po::value(&chosen.gib)->value_name("N"), "size of the big parent; default 1; 0 leaves it out")
        ("only", po::value(&chosen.only)->value_name("NAME"), "beside the floor, measure this one alone: "
            "floor, vfork, posix_spawn, fork or \"vfork, sigchld\"")
        ("quick", "a few seconds in all");
    // clang-format on
    po::variables_map given;
    po::store(po::parse_command_line(argc, argv, all), given);
    po::notify(given);
    if (given.contains("help")) {
        std::cout << all;
        return std::nullopt;
    }
    if (given.contains("quick") && !given.contains("rounds"))
        chosen.rounds = 7;
    if (given.contains("quick") && !given.contains("batch"))
        chosen.batch = 30;
    if (chosen.program.empty())
        chosen.program = beside_this_program("exit_child");
    chosen.rounds = std::max(chosen.rounds, 1);
    chosen.batch = std::max(chosen.batch, 1);
    return chosen;
}

double run_floor(options const& opt, int in_flight, int count)
{
    bench::floor_loop loop(opt.program, in_flight);
    return bench::time_per_child(loop, count);
}

double run_brood(options const& opt, way const& how, int in_flight, int count)
{
    double time;
    {
        brood::command cmd(opt.program);
        if (how.credentials)
            cmd.user(::getuid());
        bench::brood_loop loop(cmd.backend(how.backend).reaper(how.reaper), in_flight);
        time = bench::time_per_child(loop, count);
    }
    if (how.reaper == exit_reaper::sigchld)
        ::signal(SIGCHLD, SIG_DFL); // the handler stays, and would interrupt the others
    return time;
}

std::vector<bench::contender> contenders(options const& opt, int in_flight, bool big)
{
    std::vector<bench::contender> all;
    auto const add = [&](char const* name, auto run, int rounds, int count) {
        all.push_back({name, std::move(run), rounds, count});
    };
    add(
        "floor", [&opt, in_flight](int count) { return run_floor(opt, in_flight, count); }, opt.rounds, opt.batch);
    for (auto const& how : ways) {
        if (!opt.only.empty() && opt.only != how.name)
            continue;
        // It copies the page tables: milliseconds for each child, and none needed to be sure.
        bool const slow = big && how.backend == spawn_backend::fork;
        add(
            how.name, [&opt, &how, in_flight](int count) { return run_brood(opt, how, in_flight, count); },
            slow ? std::min(opt.rounds, 3) : opt.rounds, slow ? std::min(opt.batch, 4) : opt.batch);
    }
    return all;
}

std::vector<bench::standing>
measure(char const* title, std::vector<bench::contender> const& all, std::vector<bench::standing> const& before = {})
{
    std::printf("\n%s\n%20s %9s %9s %9s", title, "", "us/child", "least", "to floor");
    std::printf(before.empty() ? "\n" : "  to empty parent\n");
    std::fflush(stdout);
    auto const standings = bench::compare(all);
    for (std::size_t i = 0; i < standings.size(); ++i) {
        auto const& one = standings[i];
        std::printf("  %-18s %9.1f %9.1f %9.2f", one.name.c_str(), one.microseconds, one.least, one.ratio);
        if (i < before.size())
            std::printf(" %16.2f", one.microseconds / before[i].microseconds);
        std::printf("\n");
    }
    return standings;
}

// Says which of the named contenders missed the goal.
void judge(char const* figure, std::vector<bench::standing> const& standings, std::vector<std::string> const& names)
{
    for (auto const& one : standings)
        if (std::ranges::find(names, one.name) != names.end())
            std::printf(
                "%s %-16s %.2f <= %.2f %s\n", figure, one.name.c_str(), one.ratio, goal,
                one.ratio <= goal ? "reached" : "MISSED");
}

void run(options const& opt)
{
    std::printf("%s, %d rounds of %d children, medians\n", opt.program.c_str(), opt.rounds, opt.batch);
    auto const f1 = measure("F1: one at a time, empty parent", contenders(opt, 1, false));
    auto const f2 = measure("F2: 32 in flight, empty parent", contenders(opt, many, false));
    std::vector<bench::standing> f3;
    if (opt.gib > 0) {
        bench::touched_memory const memory(static_cast<std::size_t>(opt.gib * (1 << 30)));
        char title[80];
        std::snprintf(title, sizeof title, "F3: one at a time, parent with %g GiB touched", opt.gib);
        f3 = measure(title, contenders(opt, 1, true), f1);
    }
    std::printf("\n");
    judge("F1", f1, {"vfork", "vfork, sigchld"});
    judge("F3", f3, {"vfork", "posix_spawn"});
}

} // namespace

int main(int argc, char** argv)
{
    try {
        if (auto const chosen = parse(argc, argv))
            run(*chosen);
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
