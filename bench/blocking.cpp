// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F4: how long the start of one child blocks the thread of the event loop.
//
// The thread is blocked while it does not wait in epoll_wait: during a call that starts a child, and during an
// iteration of the loop. The blocking time of a synchronous spawn is the call. That of an asynchronous spawn is the
// call and the whole iteration in which the loop reports that the child runs. All other iterations are reported
// separately.
#include "epoll_wait_time.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "spawner.hpp"

#include <stdexcept>

namespace po = boost::program_options;

namespace {

struct options {
    std::string program = "/bin/true";
    std::string spawners = "floor,floor without vfork,brood,brood async_spawn,brood posix_spawn,posix_spawn,"
                           "Boost.Process v2,libuv";
    int in_flight = 8;
    int rounds = 20;
    int batch = 100;
};

/// Times in microseconds.
struct samples {
    std::vector<double> spawns, other_iterations;
};

/// Runs children with one spawner and measures the blocking times.
class blocking_probe final : bench::listener {
public:
    blocking_probe(bench::spawner_kind const& kind, options const& opt, samples& times)
        : opt_(opt),
          times_(times),
          call_times_(static_cast<std::size_t>(opt.in_flight)),
          spawner_(kind.create(opt.in_flight, *this))
    {
        started_slots_.reserve(call_times_.size());
        for (int slot = 0; slot < opt.in_flight; ++slot)
            free_slots_.push_back(slot);
    }

    void run()
    {
        for (int to_start = opt_.batch; to_start > 0 || free_slots_.size() < call_times_.size();) {
            for (; to_start > 0 && !free_slots_.empty(); --to_start)
                start_child();
            run_iteration();
            if (failed_)
                throw std::runtime_error("child failed: " + opt_.program);
        }
    }

private:
    void start_child()
    {
        int const slot = free_slots_.back();
        free_slots_.pop_back();
        auto const start = bench::clock::now();
        spawner_->start(slot, opt_.program);
        call_times_[static_cast<std::size_t>(slot)] = bench::microseconds(bench::clock::now() - start);
        record_spawns(0);
    }

    void run_iteration()
    {
        auto const waited = bench::epoll_wait_time();
        auto const start = bench::clock::now();
        spawner_->run_once();
        double const blocked = bench::microseconds(bench::clock::now() - start - (bench::epoll_wait_time() - waited));
        if (started_slots_.empty())
            times_.other_iterations.push_back(blocked);
        record_spawns(blocked);
    }

    void record_spawns(double iteration_time)
    {
        for (int const slot : started_slots_)
            times_.spawns.push_back(call_times_[static_cast<std::size_t>(slot)] + iteration_time);
        started_slots_.clear();
    }

    void on_started(int slot) noexcept override { started_slots_.push_back(slot); } // the memory has been reserved

    void on_exited(int slot, bool success) noexcept override
    {
        free_slots_.push_back(slot);
        failed_ |= !success;
    }

    options const& opt_;
    samples& times_;
    std::vector<double> call_times_; // by slot
    std::vector<int> started_slots_, free_slots_;
    bool failed_ = false;
    std::unique_ptr<bench::spawner> spawner_;
};

void measure(options const& opt)
{
    auto const kinds = bench::find_spawner_kinds(opt.spawners);
    std::vector<samples> times(kinds.size());
    for (int round = 0; round < opt.rounds; ++round)
        for (std::size_t i = 0; i < kinds.size(); ++i)
            blocking_probe(kinds[i], opt, times[i]).run();
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        auto const& name = kinds[i].name;
        for (double const fraction : {0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0})
            bench::emit("blocking", fraction, name, "us", bench::quantile(times[i].spawns, fraction));
        bench::emit("blocking", 0.99, name, "other", bench::quantile(times[i].other_iterations, 0.99));
        bench::emit("blocking", 1.0, name, "other", bench::quantile(times[i].other_iterations, 1.0));
    }
}

} // namespace

int main(int argc, char** argv)
{
    options opt;
    po::options_description description("Measures how long the start of a child blocks the event loop. Options");
    // clang-format off
    description.add_options()
        ("program", po::value(&opt.program), "the program to run; default /bin/true")
        ("spawners", po::value(&opt.spawners), "the spawners to compare")
        ("in-flight", po::value(&opt.in_flight), "children at a time; default 8")
        ("rounds", po::value(&opt.rounds), "default 20")
        ("batch", po::value(&opt.batch), "children per round; default 100");
    // clang-format on
    return bench::run_main(argc, argv, description, [&] { measure(opt); });
}
