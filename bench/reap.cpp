// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F5: from the kill of one of many live children until the program is told of its end.
#include "check.hpp"
#include "crew.hpp"
#include "measure.hpp"
#include "options.hpp"

#include <sys/resource.h>

namespace po = boost::program_options;

namespace {

struct options {
    std::string ways = "floor,brood,brood sigchld,Boost.Process v2,libuv";
    std::string live = "100,1000,4000,10000";
    int rounds = 3;
    int batch = 100;
};

// Each child has a descriptor.
void raise_descriptor_limit()
{
    rlimit limit{};
    bench::check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    bench::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

// The one that is killed comes from anywhere among the others, and another one takes its place.
double time_per_end(bench::kind const& how, int live, int count)
{
    bench::crew crew(how, live, bench::program_beside("pause_child"));
    crew.fill();
    std::vector<double> times;
    for (int i = 0; i < count; ++i) {
        int const slot = static_cast<int>(i * 7919L % live);
        auto const start = bench::clock::now();
        crew.kill(slot);
        times.push_back(bench::microseconds(bench::clock::now() - start));
        crew.start(slot);
    }
    return bench::quantile(std::move(times), 0.5);
}

void measure(options const& opt)
{
    raise_descriptor_limit();
    for (double const at : bench::numbers(opt.live)) {
        int const live = static_cast<int>(at);
        std::vector<bench::contender> all;
        for (auto const& how : bench::find_kinds(opt.ways))
            if (live <= how.most_children)
                all.push_back({how.name, [&opt, how, live] { return time_per_end(how, live, opt.batch); }, opt.rounds});
        bench::tell("live", at, bench::compare(all), "us");
    }
}

} // namespace

int main(int argc, char** argv)
{
    options opt;
    po::options_description all("Kills one of many children, and awaits it. Options");
    // clang-format off
    all.add_options()
        ("ways", po::value(&opt.ways), "which; the ratios are to the first one")
        ("live", po::value(&opt.live), "how many children; default 100,1000,4000,10000")
        ("rounds", po::value(&opt.rounds), "default 3")
        ("batch", po::value(&opt.batch), "kills per round; default 100");
    // clang-format on
    return bench::run(argc, argv, all, [&] { measure(opt); });
}
