// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F4: how long starting one child holds the thread of the event loop.
//
// The thread is held while it does not wait for events, in pieces: a call that starts a child, or a turn of the loop,
// which is whatever the loop does between two looks at what is ready. For a synchronous spawn, what one child costs is
// the call. For an asynchronous one, it is the call and the whole turn in which the program is told that the child
// runs. All other turns are told apart, so that nothing can hide in them.
#include "measure.hpp"
#include "options.hpp"
#include "waiting.hpp"
#include "way.hpp"

#include <stdexcept>

namespace po = boost::program_options;

namespace {

struct options {
    std::string program = "/bin/true";
    std::string ways = "floor,floor without vfork,brood,brood async_spawn,brood posix_spawn,posix_spawn by hand,"
                       "Boost.Process v2,libuv";
    int in_flight = 8;
    int rounds = 20;
    int batch = 100;
};

/// Starts children on one way's loop, and takes the time of each piece.
class held_loop final : bench::audience {
public:
    held_loop(bench::kind const& how, options const& opt, std::vector<double>& spawns, std::vector<double>& others)
        : opt_(opt),
          spawns_(spawns),
          others_(others),
          calls_(static_cast<std::size_t>(opt.in_flight)),
          way_(how.make(opt.in_flight, *this))
    {
        told_.reserve(calls_.size());
        for (int slot = 0; slot < opt.in_flight; ++slot)
            free_.push_back(slot);
    }

    void run()
    {
        for (int to_start = opt_.batch; to_start > 0 || free_.size() < calls_.size();) {
            for (; to_start > 0 && !free_.empty(); --to_start)
                start_one();
            take_turn();
            if (failed_)
                throw std::runtime_error("a child failed: " + opt_.program);
        }
    }

private:
    void start_one()
    {
        int const slot = free_.back();
        free_.pop_back();
        auto const start = bench::clock::now();
        way_->start(slot, opt_.program);
        calls_[static_cast<std::size_t>(slot)] = bench::microseconds(bench::clock::now() - start);
        take_spawns(0);
    }

    void take_turn()
    {
        auto const waited = bench::waited();
        auto const start = bench::clock::now();
        way_->turn();
        double const held = bench::microseconds(bench::clock::now() - start - (bench::waited() - waited));
        if (told_.empty())
            others_.push_back(held);
        take_spawns(held);
    }

    void take_spawns(double turn)
    {
        for (int const slot : told_)
            spawns_.push_back(calls_[static_cast<std::size_t>(slot)] + turn);
        told_.clear();
    }

    void started(int slot) noexcept override { told_.push_back(slot); } // has room for all

    void ended(int slot, bool success) noexcept override
    {
        free_.push_back(slot);
        failed_ |= !success;
    }

    options const& opt_;
    std::vector<double>& spawns_;
    std::vector<double>& others_;
    std::vector<double> calls_;
    std::vector<int> told_, free_;
    bool failed_ = false;
    std::unique_ptr<bench::way> way_;
};

void measure(options const& opt)
{
    struct series {
        std::vector<double> spawns, others;
    };
    auto const ways = bench::find_kinds(opt.ways);
    std::vector<series> all(ways.size());
    for (int round = 0; round < opt.rounds; ++round)
        for (std::size_t i = 0; i < ways.size(); ++i)
            held_loop(ways[i], opt, all[i].spawns, all[i].others).run();
    for (std::size_t i = 0; i < ways.size(); ++i) {
        for (double const share : {0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0})
            bench::tell("hold", share, ways[i].name, "us", bench::quantile(all[i].spawns, share));
        bench::tell("hold", 0.99, ways[i].name, "other", bench::quantile(all[i].others, 0.99));
        bench::tell("hold", 1.0, ways[i].name, "other", bench::quantile(all[i].others, 1.0));
    }
}

} // namespace

int main(int argc, char** argv)
{
    options opt;
    po::options_description all("Takes the time for which starting a child holds the event loop. Options");
    // clang-format off
    all.add_options()
        ("program", po::value(&opt.program), "what to run; default /bin/true")
        ("ways", po::value(&opt.ways), "which")
        ("in-flight", po::value(&opt.in_flight), "how many at a time; default 8")
        ("rounds", po::value(&opt.rounds), "default 20")
        ("batch", po::value(&opt.batch), "children per round; default 100");
    // clang-format on
    return bench::run(argc, argv, all, [&] { measure(opt); });
}
