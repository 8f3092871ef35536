// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fuzz/targets.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <vector>

// The entry points of libFuzzer. The argument --target=NAME selects the target; libFuzzer ignores such arguments.

namespace {

using namespace test::fuzz;

void (*selected)(std::string_view) = nullptr;

} // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv)
{
    std::string_view const option = "--target=";
    for (std::string_view const argument : std::vector<char const*>(*argv, *argv + *argc)) {
        if (!argument.starts_with(option))
            continue;
        auto const target = std::find_if(std::begin(targets), std::end(targets), [&](auto const& known) {
            return known.name == argument.substr(option.size());
        });
        if (target != std::end(targets))
            selected = target->check;
    }
    if (selected)
        return 0;
    std::fputs(
        "usage: brood-fuzz --target=command|fd_map|exit_status|shell_line [LIBFUZZER OPTION]... [CORPUS]...\n", stderr);
    std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    try {
        selected({reinterpret_cast<char const*>(data), size});
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        std::abort();
    }
    return 0;
}
