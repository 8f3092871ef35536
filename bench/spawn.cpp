// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F1, F2, F3: the time to spawn children and wait for them, one or several at a time, in a small and a large parent.
#include "driver.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "touched_memory.hpp"

#include <algorithm>
#include <optional>

namespace po = boost::program_options;

namespace {

struct options {
    std::string program = bench::path_of_program("exit_child");
    std::string experiment = "in_flight";
    std::string spawners = "floor,floor without vfork,floor on Asio,brood,brood async_spawn,brood async_run,"
                           "brood vfork,brood posix_spawn,brood fork,brood sigchld,brood with options,brood with user,"
                           "posix_spawn,Boost.Process v2,libuv";
    std::string in_flight = "1,32";
    std::string parent_gib = "0";
    int rounds = 31;
    int batch = 100;
};

double time_per_child(bench::spawner_kind const& kind, int slots, std::string const& program, int warm_up, int count)
{
    bench::driver driver(kind, slots, program);
    driver.run(warm_up);
    auto const start = bench::clock::now();
    driver.run(count);
    return bench::microseconds(bench::clock::now() - start) / count;
}

std::vector<bench::contender> contenders(options const& opt, int slots, double parent_gib)
{
    std::vector<bench::contender> result;
    for (auto const& kind : bench::find_spawner_kinds(opt.spawners)) {
        // A child takes milliseconds, so a few children and rounds give a stable median.
        bool const slow = kind.copies_page_tables && parent_gib > 0.1;
        int const count = std::max(slow ? std::min(opt.batch, 4) : opt.batch, slots);
        int const warm_up = std::max(slow ? 0 : 50, slots + 2); // also lets the scheduler adapt
        result.push_back(
            {kind.name,
             [&opt, kind, slots, warm_up, count] { return time_per_child(kind, slots, opt.program, warm_up, count); },
             slow ? std::min(opt.rounds, 3) : opt.rounds});
    }
    return result;
}

void measure(options const& opt)
{
    for (double const parent_gib : bench::parse_numbers(opt.parent_gib)) {
        std::optional<bench::touched_memory> memory;
        if (parent_gib > 0)
            memory.emplace(static_cast<std::size_t>(parent_gib * (1 << 30)));
        for (double const in_flight : bench::parse_numbers(opt.in_flight)) {
            double const parameter = opt.experiment == "parent_size" ? parent_gib : in_flight;
            auto const summaries = bench::compare(contenders(opt, static_cast<int>(in_flight), parent_gib));
            bench::emit(opt.experiment.c_str(), parameter, summaries, "us");
        }
    }
}

} // namespace

int main(int argc, char** argv)
{
    options opt;
    po::options_description description("Spawns children and waits for them. Options");
    // clang-format off
    description.add_options()
        ("experiment", po::value(&opt.experiment),
            "name in the results; the parameter of \"parent_size\" is --parent-gib, that of others --in-flight")
        ("program", po::value(&opt.program), "the program to run; default: one that exits at once")
        ("spawners", po::value(&opt.spawners), "the spawners to compare; the ratios refer to the first one")
        ("in-flight", po::value(&opt.in_flight), "children at a time; default 1,32")
        ("parent-gib", po::value(&opt.parent_gib), "memory that the parent has touched; default 0")
        ("rounds", po::value(&opt.rounds), "default 31")
        ("batch", po::value(&opt.batch), "children per round; default 100");
    // clang-format on
    return bench::run_main(argc, argv, description, [&] { measure(opt); });
}
