// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fuzz/targets.hpp"
#include "support/support.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>

// Replays the corpus without a fuzzer.

using namespace test;

namespace {

std::vector<std::filesystem::path> files_in(std::filesystem::path const& folder)
{
    std::vector<std::filesystem::path> files;
    for (auto const& entry : std::filesystem::directory_iterator(folder))
        files.push_back(entry.path());
    return files;
}

std::string content_of(std::filesystem::path const& file)
{
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

TEST_SUITE_BEGIN("fuzz");

TEST_CASE("fuzz: the corpus of every target agrees with the model")
{
    for (auto const& target : fuzz::targets) {
        CAPTURE(target.name);
        auto const files = files_in(std::filesystem::path(std::getenv("BROOD_CORPUS")) / target.name);
        CHECK_FALSE(files.empty());
        target.check(""); // opens what all cases share
        for (auto const& file : files) {
            CAPTURE(file.string());
            leak_check const leaks;
            CHECK_NOTHROW(target.check(content_of(file)));
        }
        CHECK_FALSE(has_children());
    }
}

TEST_SUITE_END();
