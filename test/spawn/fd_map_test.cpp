// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/fd_map.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <map>
#include <numeric>
#include <ostream>
#include <random>
#include <set>
#include <sstream>

using namespace brood;
using namespace brood::detail;

namespace {

using dups = std::vector<fd_dup>;

std::string text(dups const& all)
{
    std::ostringstream out;
    for (auto const& [from, to] : all)
        out << from << "->" << to << ' ';
    return out.str();
}

// A child's descriptor table: the parent's file behind each number.
using table = std::map<int, int>;

struct simulation {
    dups ordered;
    table files;
    int spares = 0;
    bool source_was_open = true;
};

constexpr int first_spare = 1000; // above every number in the tests

// Orders the duplications and carries them out as the child does.
simulation simulate(dups const& wanted)
{
    simulation child;
    for (auto const& [from, to] : wanted)
        child.files[from] = from;
    auto const spare = [&](int fd) -> result<int> {
        int const duplicate = first_spare + child.spares++;
        child.files[duplicate] = child.files.at(fd);
        return duplicate;
    };
    child.ordered = order_dups(wanted, spare).value();
    for (auto const& [from, to] : child.ordered) {
        auto const source = child.files.find(from);
        child.source_was_open &= source != child.files.end();
        child.files[to] = source == child.files.end() ? -1 : source->second;
    }
    return child;
}

// Counts cycles of two or more numbers. They are disjoint, because each target has one source.
int count_cycles(dups const& wanted)
{
    std::map<int, int> source_of;
    for (auto const& [from, to] : wanted)
        source_of[to] = from;
    std::set<int> seen;
    int cycles = 0;
    for (auto const& dup : wanted) {
        std::set<int> path;
        int fd = dup.to;
        for (; source_of.contains(fd) && seen.insert(fd).second; fd = source_of[fd])
            path.insert(fd);
        cycles += path.contains(fd) && source_of[fd] != fd;
    }
    return cycles;
}

std::multiset<int> targets(dups const& all)
{
    std::multiset<int> found;
    for (auto const& dup : all)
        found.insert(dup.to);
    return found;
}

void check(dups const& wanted)
{
    CAPTURE(text(wanted));
    auto const child = simulate(wanted);
    CAPTURE(text(child.ordered));
    CHECK(child.source_was_open);
    CHECK(targets(child.ordered) == targets(wanted));
    CHECK(child.spares <= count_cycles(wanted));
    bool mapped = true;
    for (auto const& [from, to] : wanted)
        mapped &= child.files.at(to) == from;
    CHECK(mapped);
}

result<int> no_spare(int) { return make_error_code(spawn_stage::stdio, EMFILE); }

} // namespace

TEST_SUITE_BEGIN("fd_map");

TEST_CASE("order_dups: every map of three numbers onto themselves")
{
    for (int map = 0; map < 27; ++map) {
        CAPTURE(map);
        check({{map % 3, 0}, {map / 3 % 3, 1}, {map / 9, 2}});
    }
}

TEST_CASE("order_dups: swaps, cycles, chains and copies")
{
    dups const rows[] = {
        {},
        {{3, 3}},                                 // onto itself: kept, because it clears the close-on-exec flag
        {{3, 4}},                                 //
        {{3, 4}, {4, 3}},                         // a swap
        {{3, 4}, {4, 3}, {5, 6}, {6, 5}},         // two swaps
        {{3, 4}, {4, 5}, {5, 3}},                 // a cycle
        {{3, 4}, {4, 5}, {5, 6}},                 // a chain
        {{5, 6}, {4, 5}, {3, 4}},                 // the same in reverse
        {{7, 0}, {7, 1}, {7, 2}},                 // one source, many targets
        {{1, 0}, {1, 1}, {1, 2}},                 // also onto itself
        {{3, 4}, {4, 3}, {3, 5}, {4, 6}},         // a swap whose sources have other targets, too
        {{3, 4}, {4, 5}, {5, 3}, {6, 7}, {7, 6}}, // two cycles
        {{0, 1}, {1, 0}, {1, 2}},                 //
        {{9, 3}, {3, 4}, {4, 5}, {5, 4 + 5}},     // a cycle back to the first source
    };
    for (auto const& wanted : rows)
        check(wanted);
}

TEST_CASE("order_dups: a duplication onto itself is kept once")
{
    CHECK(simulate({{3, 3}}).ordered == dups{{3, 3}});
    CHECK(simulate({{3, 3}}).spares == 0);
    auto const copied = simulate({{3, 4}, {3, 3}});
    CHECK(std::count(copied.ordered.begin(), copied.ordered.end(), fd_dup{3, 3}) == 1);
    CHECK(copied.spares == 0);
}

TEST_CASE("order_dups: a chain needs no spare")
{
    CHECK(order_dups({{3, 4}, {4, 5}, {5, 6}}, no_spare).value() == dups{{5, 6}, {4, 5}, {3, 4}});
    CHECK(order_dups({}, no_spare).value().empty());
}

TEST_CASE("order_dups: each cycle takes one spare")
{
    CHECK(simulate({{3, 4}, {4, 3}}).spares == 1);
    CHECK(simulate({{3, 4}, {4, 5}, {5, 3}}).spares == 1);
    CHECK(simulate({{3, 4}, {4, 3}, {5, 6}, {6, 5}}).spares == 2);
    dups long_cycle;
    for (int fd = 0; fd < 100; ++fd)
        long_cycle.push_back({fd, (fd + 1) % 100});
    CHECK(simulate(long_cycle).spares == 1);
    check(long_cycle);
}

TEST_CASE("order_dups: the spare duplicates a source in the cycle")
{
    std::vector<int> sources;
    auto const spare = [&](int fd) -> result<int> {
        sources.push_back(fd);
        return first_spare;
    };
    REQUIRE(order_dups({{8, 9}, {3, 4}, {4, 3}}, spare));
    REQUIRE(sources.size() == 1);
    CHECK((sources[0] == 3 || sources[0] == 4));
}

TEST_CASE("order_dups: random permutations")
{
    std::mt19937 random(20240607);
    for (int round = 0; round < 3000; ++round) {
        std::vector<int> sources(1 + random() % 12);
        std::iota(sources.begin(), sources.end(), 0);
        std::shuffle(sources.begin(), sources.end(), random);
        dups wanted;
        for (std::size_t i = 0; i < sources.size(); ++i)
            wanted.push_back({sources[i], static_cast<int>(i)});
        std::shuffle(wanted.begin(), wanted.end(), random);
        check(wanted);
    }
}

TEST_CASE("order_dups: random maps with distinct targets")
{
    std::mt19937 random(4711);
    for (int round = 0; round < 3000; ++round) {
        std::vector<int> to(12);
        std::iota(to.begin(), to.end(), 0);
        std::shuffle(to.begin(), to.end(), random);
        to.resize(random() % (to.size() + 1));
        dups wanted;
        for (int const fd : to)
            wanted.push_back({static_cast<int>(random() % 12), fd});
        check(wanted);
    }
}

TEST_CASE("order_dups: returns the error of a failed spare")
{
    for (dups const& wanted : {dups{{3, 4}, {4, 3}}, dups{{0, 1}, {1, 2}, {2, 0}}, dups{{8, 9}, {3, 4}, {4, 3}}}) {
        CAPTURE(text(wanted));
        auto const ordered = order_dups(wanted, no_spare);
        REQUIRE_FALSE(ordered);
        CHECK(ordered.error() == make_error_code(spawn_stage::stdio, EMFILE));
    }
}

TEST_CASE("order_dups: returns the error of a failed second spare")
{
    int calls = 0;
    auto const single_spare = [&](int) -> result<int> {
        if (calls++ > 0)
            return make_error_code(spawn_stage::stdio, ENFILE);
        return first_spare;
    };
    auto const ordered = order_dups({{3, 4}, {4, 3}, {5, 6}, {6, 5}}, single_spare);
    REQUIRE_FALSE(ordered);
    CHECK(ordered.error() == make_error_code(spawn_stage::stdio, ENFILE));
    CHECK(calls == 2);
}

TEST_CASE("ranges_between: the ranges contain what is not kept")
{
    struct {
        std::string_view name;
        std::vector<int> kept;
        std::vector<fd_range> expected;
    } const rows[] = {
        {"nothing", {}, {{0, INT_MAX}}},
        {"the standard streams", {0, 1, 2}, {{3, INT_MAX}}},
        {"neighbours", {0, 1, 2, 3, 4}, {{5, INT_MAX}}},
        {"with gaps", {0, 1, 2, 5, 7}, {{3, 4}, {6, 6}, {8, INT_MAX}}},
        {"one number", {3}, {{0, 2}, {4, INT_MAX}}},
        {"the last but one", {INT_MAX - 1}, {{0, INT_MAX - 2}, {INT_MAX, INT_MAX}}},
        {"the last", {INT_MAX}, {{0, INT_MAX - 1}}},
    };
    for (auto const& row : rows) {
        CAPTURE(row.name);
        CHECK(ranges_between(row.kept) == row.expected);
    }
}

TEST_CASE("ranges_between: every number is either kept or in one range")
{
    std::mt19937 random(42);
    for (int round = 0; round < 1000; ++round) {
        CAPTURE(round);
        std::set<int> kept;
        for (auto n = random() % 20; n > 0; --n)
            kept.insert(static_cast<int>(random() % 40));
        auto const ranges = ranges_between({kept.begin(), kept.end()});
        bool disjoint = true;
        for (int fd = 0; fd < 60; ++fd) {
            auto const count = std::count_if(ranges.begin(), ranges.end(), [&](fd_range const& range) {
                return range.first <= fd && fd <= range.last;
            });
            disjoint &= count == (kept.contains(fd) ? 0 : 1);
        }
        CHECK(disjoint);
        CHECK(std::all_of(ranges.begin(), ranges.end(), [](fd_range const& r) { return r.first <= r.last; }));
        CHECK(ranges.back().last == INT_MAX);
    }
}

TEST_SUITE_END();
