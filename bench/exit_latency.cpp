// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F5: the time from SIGKILL to one of many live children until the spawner reports its exit.
#include "check.hpp"
#include "driver.hpp"
#include "measure.hpp"
#include "options.hpp"

#include <sys/resource.h>

namespace po = boost::program_options;

namespace {

struct options {
    std::string spawners = "floor,brood,brood sigchld,Boost.Process v2,libuv";
    std::string live_children = "100,1000,4000,10000";
    int rounds = 3;
    int batch = 100;
};

// Most spawners hold one descriptor per child.
void raise_descriptor_limit()
{
    rlimit limit{};
    bench::check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    bench::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

// The kills are spread over all slots. A new child replaces each killed one, which keeps the number of children.
double median_latency(bench::spawner_kind const& kind, int live_children, int count)
{
    bench::driver driver(kind, live_children, bench::path_of_program("pause_child"));
    driver.fill();
    std::vector<double> latencies;
    for (int i = 0; i < count; ++i) {
        int const slot = static_cast<int>(i * 7919L % live_children);
        auto const start = bench::clock::now();
        driver.kill(slot);
        latencies.push_back(bench::microseconds(bench::clock::now() - start));
        driver.start(slot);
    }
    return bench::quantile(std::move(latencies), 0.5);
}

void measure(options const& opt)
{
    raise_descriptor_limit();
    for (double const number : bench::parse_numbers(opt.live_children)) {
        int const live_children = static_cast<int>(number);
        std::vector<bench::contender> contenders;
        for (auto const& kind : bench::find_spawner_kinds(opt.spawners))
            if (live_children <= kind.max_children)
                contenders.push_back(
                    {kind.name, [&opt, kind, live_children] { return median_latency(kind, live_children, opt.batch); },
                     opt.rounds});
        bench::emit("exit_latency", number, bench::compare(contenders), "us");
    }
}

} // namespace

int main(int argc, char** argv)
{
    options opt;
    po::options_description description("Kills one of many children and waits for its exit. Options");
    // clang-format off
    description.add_options()
        ("spawners", po::value(&opt.spawners), "the spawners to compare; the ratios refer to the first one")
        ("live-children", po::value(&opt.live_children), "numbers of live children; default 100,1000,4000,10000")
        ("rounds", po::value(&opt.rounds), "default 3")
        ("batch", po::value(&opt.batch), "kills per round; default 100");
    // clang-format on
    return bench::run_main(argc, argv, description, [&] { measure(opt); });
}
