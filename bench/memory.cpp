// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// F7: how much of its own memory a program needs for one more live child.
#include "crew.hpp"
#include "measure.hpp"
#include "options.hpp"

#include <fstream>

#include <malloc.h>
#include <unistd.h>

namespace po = boost::program_options;

namespace {

struct use {
    double heap, resident;
};

use measured_use()
{
    auto const heap = ::mallinfo2();
    std::ifstream statm("/proc/self/statm");
    double pages = 0, resident = 0;
    statm >> pages >> resident;
    return {static_cast<double>(heap.uordblks + heap.hblkhd), resident * static_cast<double>(::sysconf(_SC_PAGESIZE))};
}

// From before there is an event loop, so that what the children share is counted with them.
void measure(bench::kind const& how, int live)
{
    bench::crew(how, 1, bench::program_beside("exit_child")).run(1); // what stays for good is there from now on
    ::malloc_trim(0);
    auto const before = measured_use();
    bench::crew crew(how, live, bench::program_beside("pause_child"));
    crew.fill();
    auto const with = measured_use();
    bench::tell("memory", live, how.name, "heap", (with.heap - before.heap) / live);
    bench::tell("memory", live, how.name, "resident", (with.resident - before.resident) / live);
}

} // namespace

int main(int argc, char** argv)
{
    std::string ways = "floor,brood,brood sigchld,Boost.Process v2,libuv";
    int live = 1000;
    po::options_description all("Tells how much user memory a live child takes. Options");
    // clang-format off
    all.add_options()
        ("ways", po::value(&ways), "which")
        ("live", po::value(&live), "how many children; default 1000");
    // clang-format on
    return bench::run(argc, argv, all, [&] {
        for (auto const& how : bench::find_kinds(ways))
            measure(how, live);
    });
}
