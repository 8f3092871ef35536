// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F7: the user memory that a program needs for each live child.
#include "driver.hpp"
#include "measure.hpp"
#include "options.hpp"

#include <fstream>

#include <malloc.h>
#include <unistd.h>

namespace po = boost::program_options;

namespace {

/// In bytes.
struct memory_usage {
    double heap, resident;
};

memory_usage current_usage()
{
    auto const heap = ::mallinfo2();
    std::ifstream statm("/proc/self/statm");
    double pages = 0, resident = 0;
    statm >> pages >> resident;
    return {static_cast<double>(heap.uordblks + heap.hblkhd), resident * static_cast<double>(::sysconf(_SC_PAGESIZE))};
}

// The event loop is created after the first reading, so that the memory which the children share is counted, too.
void measure(bench::spawner_kind const& kind, int live_children)
{
    // Allocates what the library keeps until the process ends.
    bench::driver(kind, 1, bench::path_of_program("exit_child")).run(1);
    ::malloc_trim(0);
    auto const before = current_usage();
    bench::driver driver(kind, live_children, bench::path_of_program("pause_child"));
    driver.fill();
    auto const after = current_usage();
    bench::emit("memory", live_children, kind.name, "heap", (after.heap - before.heap) / live_children);
    bench::emit("memory", live_children, kind.name, "resident", (after.resident - before.resident) / live_children);
}

} // namespace

int main(int argc, char** argv)
{
    std::string spawners = "floor,brood,brood sigchld,Boost.Process v2,libuv";
    int live_children = 1000;
    po::options_description description("Measures the user memory of a live child. Options");
    // clang-format off
    description.add_options()
        ("spawners", po::value(&spawners), "the spawners to measure")
        ("live-children", po::value(&live_children), "number of live children; default 1000");
    // clang-format on
    return bench::run_main(argc, argv, description, [&] {
        for (auto const& kind : bench::find_spawner_kinds(spawners))
            measure(kind, live_children);
    });
}
