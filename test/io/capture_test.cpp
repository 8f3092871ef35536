// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "io/capture.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <string_view>

#include <sys/resource.h>

using brood::detail::capture;

namespace {

// As a read would: fills at most the room there is. Gives how much that was.
std::size_t fill(capture& text, std::string_view with)
{
    auto const room = text.room();
    REQUIRE(room.size() > 0);
    auto const count = std::min(room.size(), with.size());
    std::memcpy(room.data(), with.data(), count);
    text.take(count);
    return count;
}

void fill_all(capture& text, std::string_view with)
{
    while (!with.empty())
        with.remove_prefix(fill(text, with));
}

constexpr auto no_limit = std::numeric_limits<std::size_t>::max();

/// Leaves this process little address space.
class little_memory {
public:
    static constexpr std::size_t size = 64 * 1024 * 1024;

    little_memory()
    {
        ::getrlimit(RLIMIT_AS, &before_);
        rlimit const little{size, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_AS, &little) == 0);
    }

    ~little_memory() { ::setrlimit(RLIMIT_AS, &before_); }

    /// Whether that is more than is in use already, as under a sanitizer, which reserves terabytes.
    static bool is_possible()
    {
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        return pages > 0 && pages < size / 2 / 4096;
    }

private:
    rlimit before_;
};

} // namespace

TEST_SUITE_BEGIN("capture");

TEST_CASE("nothing read is an empty text")
{
    capture text(no_limit);
    CHECK(text.room().size() > 0);
    CHECK_FALSE(text.truncated());
    CHECK(text.release().empty());
}

TEST_CASE("what was read is there, in order, whatever the pieces")
{
    std::string all;
    for (int i = 0; i < 500'000; ++i)
        all += std::to_string(i);
    for (std::size_t piece : {1000u, 4096u, 65536u, 1'000'000u}) {
        CAPTURE(piece);
        capture text(no_limit);
        for (std::size_t at = 0; at < all.size(); at += piece)
            fill_all(text, std::string_view(all).substr(at, piece));
        CHECK(text.seen() == all.size());
        CHECK_FALSE(text.truncated());
        CHECK(text.release() == all);
    }
}

TEST_CASE("a limit keeps the beginning")
{
    std::string const all = "0123456789";
    struct row {
        std::size_t limit;
        char const* kept;
        bool truncated;
    };
    for (auto const& [limit, kept, truncated] : {
             row{0, "", true},
             row{1, "0", true},
             row{9, "012345678", true},
             row{10, "0123456789", false},
             row{11, "0123456789", false},
         }) {
        for (std::size_t piece : {1u, 3u, 10u}) {
            auto const told = limit;
            CAPTURE(told);
            CAPTURE(piece);
            capture text(told);
            for (std::size_t at = 0; at < all.size(); at += piece)
                fill_all(text, std::string_view(all).substr(at, piece));
            CHECK(text.seen() == 10);
            CHECK(text.truncated() == truncated);
            CHECK(text.release() == kept);
        }
    }
}

TEST_CASE("a limit bounds the memory, too")
{
    std::string const block(1'000'000, 'x');
    capture text(1000);
    for (int i = 0; i < 20; ++i)
        fill_all(text, block);
    auto const kept = text.release();
    CHECK(kept.size() == 1000);
    CHECK(kept.capacity() < 1'000'000);
}

TEST_CASE("a large text is read in large pieces, a small one takes little memory")
{
    capture text(no_limit);
    CHECK(text.room().size() <= 4096);
    fill_all(text, std::string(2'000'000, 'x'));
    CHECK(text.room().size() >= 128 * 1024);
}

TEST_CASE("a large text is moved seldom")
{
    capture text(no_limit);
    fill_all(text, std::string(2'000'000, 'x'));
    auto const* const first = static_cast<char const*>(text.room().data()) - text.seen();
    fill_all(text, std::string(20'000'000, 'y'));
    CHECK(static_cast<char const*>(text.room().data()) - text.seen() == first);
}

TEST_CASE(
    "where the system has no memory for a large stride, small ones lead on, until there is none at all" *
    doctest::skip(!little_memory::is_possible()))
{
    capture text(no_limit);
    {
        little_memory const guard;
        for (auto room = text.room(); room.size() > 0 && text.seen() < little_memory::size; room = text.room()) {
            std::memset(room.data(), 'x', room.size());
            text.take(room.size());
        }
    }
    CHECK(text.seen() > little_memory::size / 8);
    CHECK(text.seen() < little_memory::size);
    CHECK(text.release().find_first_not_of('x') == std::string::npos);
}

TEST_SUITE_END();
