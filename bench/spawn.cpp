// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F1, F2, F3: what it costs to start children and await them, one or several at a time, in a small and a big parent.
#include "crew.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "touched_memory.hpp"

#include <algorithm>
#include <optional>

namespace po = boost::program_options;

namespace {

struct options {
    std::string program = bench::program_beside("exit_child");
    std::string experiment = "in_flight";
    std::string ways = "floor,floor without vfork,floor on Asio,brood,brood async_spawn,"
                       "brood vfork,brood posix_spawn,brood fork,brood sigchld,brood with options,brood with user,"
                       "posix_spawn by hand,Boost.Process v2,libuv";
    std::string in_flight = "1,32";
    std::string gib = "0";
    int rounds = 31;
    int batch = 100;
};

double time_per_child(bench::kind const& how, int slots, std::string const& program, int warm_up, int count)
{
    bench::crew crew(how, slots, program);
    crew.run(warm_up);
    auto const start = bench::clock::now();
    crew.run(count);
    return bench::microseconds(bench::clock::now() - start) / count;
}

std::vector<bench::contender> contenders(options const& opt, int slots, double gib)
{
    std::vector<bench::contender> all;
    for (auto const& how : bench::find_kinds(opt.ways)) {
        // It copies the page tables: milliseconds for each child, and few needed to be sure.
        bool const slow = how.copies_page_tables && gib > 0.1;
        int const count = std::max(slow ? std::min(opt.batch, 4) : opt.batch, slots);
        int const warm_up = std::max(slow ? 0 : 50, slots + 2); // for the system's scheduler, too
        all.push_back(
            {how.name,
             [&opt, how, slots, warm_up, count] { return time_per_child(how, slots, opt.program, warm_up, count); },
             slow ? std::min(opt.rounds, 3) : opt.rounds});
    }
    return all;
}

void measure(options const& opt)
{
    for (double const gib : bench::numbers(opt.gib)) {
        std::optional<bench::touched_memory> memory;
        if (gib > 0)
            memory.emplace(static_cast<std::size_t>(gib * (1 << 30)));
        for (double const in_flight : bench::numbers(opt.in_flight)) {
            auto const standings = bench::compare(contenders(opt, static_cast<int>(in_flight), gib));
            bench::tell(opt.experiment.c_str(), opt.experiment == "gib" ? gib : in_flight, standings, "us");
        }
    }
}

} // namespace

int main(int argc, char** argv)
{
    options opt;
    po::options_description all("Starts and awaits children. Options");
    // clang-format off
    all.add_options()
        ("experiment", po::value(&opt.experiment), "its name in the results; \"gib\" varies --gib, others --in-flight")
        ("program", po::value(&opt.program), "what to run; default: a program that exits at once")
        ("ways", po::value(&opt.ways), "which; the ratios are to the first one")
        ("in-flight", po::value(&opt.in_flight), "how many at a time; default 1,32")
        ("gib", po::value(&opt.gib), "how much memory the parent has touched; default 0")
        ("rounds", po::value(&opt.rounds), "default 31")
        ("batch", po::value(&opt.batch), "children per round; default 100");
    // clang-format on
    return bench::run(argc, argv, all, [&] { measure(opt); });
}
