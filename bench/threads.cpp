// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F11: the time for each child if several threads spawn and wait, in an event loop each or all in the same one.
#include "driver.hpp"
#include "measure.hpp"
#include "options.hpp"

#include <brood/run.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <latch>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace po = boost::program_options;
namespace asio = boost::asio;

namespace {

struct options {
    std::string program = bench::path_of_program("exit_child");
    std::string spawners = "floor,floor without vfork,brood,brood async_spawn,brood async_run,posix_spawn";
    std::string threads = "1,2";
    int rounds = 15;
    int batch = 400;
};

/// Runs a function on several threads at the same time. Returns the time; rethrows what one of them has thrown.
template <class Function>
bench::clock::duration run_on_threads(int threads, Function function)
{
    std::latch ready(threads + 1);
    std::mutex mutex;
    std::exception_ptr failure;
    std::vector<std::jthread> running;
    for (int i = 0; i < threads; ++i)
        running.emplace_back([&, i] {
            ready.arrive_and_wait();
            try {
                function(i);
            } catch (...) {
                std::lock_guard const lock(mutex);
                failure = std::current_exception();
            }
        });
    ready.arrive_and_wait();
    auto const start = bench::clock::now();
    running.clear(); // joins
    auto const time = bench::clock::now() - start;
    if (failure)
        std::rethrow_exception(failure);
    return time;
}

double time_with_own_loops(bench::spawner_kind const& kind, int threads, std::string const& program, int count)
{
    std::vector<std::unique_ptr<bench::driver>> drivers;
    for (int i = 0; i < threads; ++i) {
        drivers.push_back(std::make_unique<bench::driver>(kind, 1, program));
        drivers.back()->run(10);
    }
    auto const time =
        run_on_threads(threads, [&](int i) { drivers[static_cast<std::size_t>(i)]->run(count / threads); });
    return bench::microseconds(time) / count;
}

/// Runs children in one event loop, which all threads run: one child for each thread at a time.
class shared_loop {
public:
    shared_loop(int threads, std::string program) : loop_(threads), threads_(threads), program_(std::move(program)) {}

    double time_per_child(int count)
    {
        left_ = count;
        for (int i = 0; i < threads_; ++i)
            run_next();
        auto const time = run_on_threads(threads_, [this](int) { loop_.run(); });
        if (has_failed_)
            throw std::runtime_error("child failed: " + program_);
        return bench::microseconds(time) / count;
    }

private:
    void run_next()
    {
        if (left_-- <= 0)
            return;
        brood::async_run(loop_, brood::command(program_), [this](brood::error_code ec, brood::exit_status status) {
            if (ec.failed() || !status.success())
                has_failed_ = true;
            run_next();
        });
    }

    asio::io_context loop_;
    int const threads_;
    std::string const program_;
    std::atomic<int> left_ = 0;
    std::atomic<bool> has_failed_ = false;
};

void measure(options const& opt)
{
    auto const threads = bench::parse_numbers(opt.threads);
    auto const compare = [&](std::string const& name, auto time_per_child) {
        std::vector<bench::contender> contenders;
        for (double const number : threads) {
            int const count = static_cast<int>(number);
            contenders.push_back({name, [=] { return time_per_child(count); }, opt.rounds});
        }
        auto const summaries = bench::compare(contenders);
        for (std::size_t i = 0; i < threads.size(); ++i) {
            bench::emit("threads", threads[i], name, "us", summaries[i].median);
            bench::emit("threads", threads[i], name, "speedup", 1 / summaries[i].ratio);
        }
    };
    for (auto const& kind : bench::find_spawner_kinds(opt.spawners))
        compare(kind.name, [&, kind](int count) { return time_with_own_loops(kind, count, opt.program, opt.batch); });
    compare("brood async_run, one event loop", [&](int count) {
        return shared_loop(count, opt.program).time_per_child(opt.batch);
    });
}

} // namespace

int main(int argc, char** argv)
{
    options opt;
    po::options_description description("Spawns children from several threads and waits for them. Options");
    // clang-format off
    description.add_options()
        ("program", po::value(&opt.program), "the program to run; default: one that exits at once")
        ("spawners", po::value(&opt.spawners), "the spawners to measure")
        ("threads", po::value(&opt.threads), "numbers of threads; the speed-up refers to the first one; default 1,2")
        ("rounds", po::value(&opt.rounds), "default 15")
        ("batch", po::value(&opt.batch), "children per round, of all threads together; default 400");
    // clang-format on
    return bench::run_main(argc, argv, description, [&] { measure(opt); });
}
