// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/moves.hpp"

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
using namespace brood::launch;

namespace {

using moves = std::vector<fd_move>;

std::string text(moves const& all)
{
    std::ostringstream out;
    for (auto const& [from, to] : all)
        out << from << "->" << to << ' ';
    return out.str();
}

// What a child's descriptor table looks like: which of the parent's files each number leads to.
using table = std::map<int, int>;

struct simulation {
    moves ordered;
    table files;
    int spares = 0;
    bool source_was_open = true;
};

constexpr int first_spare = 1000; // above every number used here

// Orders the moves and makes them, one after the other, as the child would.
simulation simulate(moves const& wanted)
{
    simulation made;
    for (auto const& [from, to] : wanted)
        made.files[from] = from;
    auto const spare = [&](int fd) -> result<int> {
        int const duplicate = first_spare + made.spares++;
        made.files[duplicate] = made.files.at(fd);
        return duplicate;
    };
    made.ordered = order_moves(wanted, spare).value();
    for (auto const& [from, to] : made.ordered) {
        auto const source = made.files.find(from);
        made.source_was_open &= source != made.files.end();
        made.files[to] = source == made.files.end() ? -1 : source->second;
    }
    return made;
}

// Rings of two and more: each target has one source, so they share no number.
int count_rings(moves const& wanted)
{
    std::map<int, int> source_of;
    for (auto const& [from, to] : wanted)
        source_of[to] = from;
    std::set<int> seen;
    int rings = 0;
    for (auto const& move : wanted) {
        std::set<int> way;
        int fd = move.to;
        for (; source_of.contains(fd) && seen.insert(fd).second; fd = source_of[fd])
            way.insert(fd);
        rings += way.contains(fd) && source_of[fd] != fd;
    }
    return rings;
}

std::multiset<int> targets(moves const& all)
{
    std::multiset<int> found;
    for (auto const& move : all)
        found.insert(move.to);
    return found;
}

void check(moves const& wanted)
{
    CAPTURE(text(wanted));
    auto const made = simulate(wanted);
    CAPTURE(text(made.ordered));
    CHECK(made.source_was_open);
    CHECK(targets(made.ordered) == targets(wanted));
    CHECK(made.spares <= count_rings(wanted));
    bool arrived = true;
    for (auto const& [from, to] : wanted)
        arrived &= made.files.at(to) == from;
    CHECK(arrived);
}

result<int> no_spare(int) { return make_error_code(spawn_stage::stdio, EMFILE); }

} // namespace

TEST_SUITE_BEGIN("moves");

TEST_CASE("every map of three numbers onto themselves arrives")
{
    for (int map = 0; map < 27; ++map) {
        CAPTURE(map);
        check({{map % 3, 0}, {map / 3 % 3, 1}, {map / 9, 2}});
    }
}

TEST_CASE("swaps, rings, chains and copies arrive")
{
    moves const rows[] = {
        {},
        {{3, 3}},                                 // itself: kept, since it must lose its close-on-exec flag
        {{3, 4}},                                 //
        {{3, 4}, {4, 3}},                         // a swap
        {{3, 4}, {4, 3}, {5, 6}, {6, 5}},         // two
        {{3, 4}, {4, 5}, {5, 3}},                 // a ring
        {{3, 4}, {4, 5}, {5, 6}},                 // a chain
        {{5, 6}, {4, 5}, {3, 4}},                 // the same, the other way round
        {{7, 0}, {7, 1}, {7, 2}},                 // one source on many targets
        {{1, 0}, {1, 1}, {1, 2}},                 // also on itself
        {{3, 4}, {4, 3}, {3, 5}, {4, 6}},         // a swap whose sources are wanted elsewhere, too
        {{3, 4}, {4, 5}, {5, 3}, {6, 7}, {7, 6}}, // two rings
        {{0, 1}, {1, 0}, {1, 2}},                 //
        {{9, 3}, {3, 4}, {4, 5}, {5, 4 + 5}},     // a ring through its own beginning
    };
    for (auto const& wanted : rows)
        check(wanted);
}

TEST_CASE("a move onto itself is kept, once")
{
    CHECK(simulate({{3, 3}}).ordered == moves{{3, 3}});
    CHECK(simulate({{3, 3}}).spares == 0);
    auto const copied = simulate({{3, 4}, {3, 3}});
    CHECK(std::count(copied.ordered.begin(), copied.ordered.end(), fd_move{3, 3}) == 1);
    CHECK(copied.spares == 0);
}

TEST_CASE("moves in a chain are ordered without a spare")
{
    CHECK(order_moves({{3, 4}, {4, 5}, {5, 6}}, no_spare).value() == moves{{5, 6}, {4, 5}, {3, 4}});
    CHECK(order_moves({}, no_spare).value().empty());
}

TEST_CASE("a ring takes one spare, and one alone")
{
    CHECK(simulate({{3, 4}, {4, 3}}).spares == 1);
    CHECK(simulate({{3, 4}, {4, 5}, {5, 3}}).spares == 1);
    CHECK(simulate({{3, 4}, {4, 3}, {5, 6}, {6, 5}}).spares == 2);
    moves long_ring;
    for (int fd = 0; fd < 100; ++fd)
        long_ring.push_back({fd, (fd + 1) % 100});
    CHECK(simulate(long_ring).spares == 1);
    check(long_ring);
}

TEST_CASE("the spare is asked for a source of the ring")
{
    std::vector<int> asked;
    auto const spare = [&](int fd) -> result<int> {
        asked.push_back(fd);
        return first_spare;
    };
    REQUIRE(order_moves({{8, 9}, {3, 4}, {4, 3}}, spare));
    REQUIRE(asked.size() == 1);
    CHECK((asked[0] == 3 || asked[0] == 4));
}

TEST_CASE("random permutations arrive")
{
    std::mt19937 random(20240607);
    for (int round = 0; round < 3000; ++round) {
        std::vector<int> sources(1 + random() % 12);
        std::iota(sources.begin(), sources.end(), 0);
        std::shuffle(sources.begin(), sources.end(), random);
        moves wanted;
        for (std::size_t i = 0; i < sources.size(); ++i)
            wanted.push_back({sources[i], static_cast<int>(i)});
        std::shuffle(wanted.begin(), wanted.end(), random);
        check(wanted);
    }
}

TEST_CASE("random maps with distinct targets arrive")
{
    std::mt19937 random(4711);
    for (int round = 0; round < 3000; ++round) {
        std::vector<int> to(12);
        std::iota(to.begin(), to.end(), 0);
        std::shuffle(to.begin(), to.end(), random);
        to.resize(random() % (to.size() + 1));
        moves wanted;
        for (int const fd : to)
            wanted.push_back({static_cast<int>(random() % 12), fd});
        check(wanted);
    }
}

TEST_CASE("a spare that can't be had gives its error")
{
    for (moves const& wanted : {moves{{3, 4}, {4, 3}}, moves{{0, 1}, {1, 2}, {2, 0}}, moves{{8, 9}, {3, 4}, {4, 3}}}) {
        CAPTURE(text(wanted));
        auto const ordered = order_moves(wanted, no_spare);
        REQUIRE_FALSE(ordered);
        CHECK(ordered.error() == make_error_code(spawn_stage::stdio, EMFILE));
    }
}

TEST_CASE("the second of two spares may fail, too")
{
    int given = 0;
    auto const one_alone = [&](int) -> result<int> {
        if (given++ > 0)
            return make_error_code(spawn_stage::stdio, ENFILE);
        return first_spare;
    };
    auto const ordered = order_moves({{3, 4}, {4, 3}, {5, 6}, {6, 5}}, one_alone);
    REQUIRE_FALSE(ordered);
    CHECK(ordered.error() == make_error_code(spawn_stage::stdio, ENFILE));
    CHECK(given == 2);
}

TEST_CASE("the ranges to close are what is not kept")
{
    struct {
        std::string_view kept;
        std::vector<int> fds;
        std::vector<fd_range> expected;
    } const rows[] = {
        {"nothing", {}, {{0, INT_MAX}}},
        {"the streams", {0, 1, 2}, {{3, INT_MAX}}},
        {"neighbours", {0, 1, 2, 3, 4}, {{5, INT_MAX}}},
        {"with gaps", {0, 1, 2, 5, 7}, {{3, 4}, {6, 6}, {8, INT_MAX}}},
        {"one", {3}, {{0, 2}, {4, INT_MAX}}},
        {"the one before the last", {INT_MAX - 1}, {{0, INT_MAX - 2}, {INT_MAX, INT_MAX}}},
        {"the last", {INT_MAX}, {{0, INT_MAX - 1}}},
    };
    for (auto const& row : rows) {
        CAPTURE(row.kept);
        CHECK(ranges_between(row.fds) == row.expected);
    }
}

TEST_CASE("every number is either kept or in one range to close")
{
    std::mt19937 random(42);
    for (int round = 0; round < 1000; ++round) {
        CAPTURE(round);
        std::set<int> kept;
        for (auto count = random() % 20; count > 0; --count)
            kept.insert(static_cast<int>(random() % 40));
        auto const ranges = ranges_between({kept.begin(), kept.end()});
        bool right = true;
        for (int fd = 0; fd < 60; ++fd) {
            auto const holding = std::count_if(ranges.begin(), ranges.end(), [&](fd_range const& range) {
                return range.first <= fd && fd <= range.last;
            });
            right &= holding == (kept.contains(fd) ? 0 : 1);
        }
        CHECK(right);
        CHECK(std::all_of(ranges.begin(), ranges.end(), [](fd_range const& r) { return r.first <= r.last; }));
        CHECK(ranges.back().last == INT_MAX);
    }
}

TEST_SUITE_END();
