// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "run/output_buffer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>

#include <sys/resource.h>

using brood::detail::output_buffer;

namespace {

constexpr auto no_limit = std::numeric_limits<std::size_t>::max();

/// Fills the room once, as a read does. Returns the number of bytes.
std::size_t fill_once(output_buffer& buffer, std::string_view data)
{
    auto const room = buffer.room();
    REQUIRE(room.size() > 0);
    auto const count = std::min(room.size(), data.size());
    std::memcpy(room.data(), data.data(), count);
    buffer.commit(count);
    return count;
}

void fill(output_buffer& buffer, std::string_view data)
{
    while (!data.empty())
        data.remove_prefix(fill_once(buffer, data));
}

void fill_in_pieces(output_buffer& buffer, std::string_view data, std::size_t size)
{
    for (std::size_t at = 0; at < data.size(); at += size)
        fill(buffer, data.substr(at, size));
}

/// Limits the address space of this process.
class memory_limit {
public:
    static constexpr std::size_t size = 64 * 1024 * 1024;

    memory_limit()
    {
        ::getrlimit(RLIMIT_AS, &before_);
        rlimit const limit{size, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_AS, &limit) == 0);
    }

    ~memory_limit() { ::setrlimit(RLIMIT_AS, &before_); }

    /// Whether the process uses less than half of the limit. Sanitizers reserve terabytes.
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

TEST_SUITE_BEGIN("output buffer");

TEST_CASE("output_buffer: is empty before the first read")
{
    output_buffer buffer(no_limit);
    CHECK(buffer.room().size() > 0);
    CHECK_FALSE(buffer.truncated());
    CHECK(buffer.release().empty());
}

TEST_CASE("output_buffer: keeps all data in order, for any size of the reads")
{
    std::string data;
    for (int i = 0; i < 500'000; ++i)
        data += std::to_string(i);
    for (std::size_t size : {1000u, 4096u, 65536u, 1'000'000u}) {
        CAPTURE(size);
        output_buffer buffer(no_limit);
        fill_in_pieces(buffer, data, size);
        CHECK(buffer.seen() == data.size());
        CHECK_FALSE(buffer.truncated());
        CHECK(buffer.release() == data);
    }
}

TEST_CASE("output_buffer: keeps the first bytes up to the limit")
{
    struct limit_case {
        std::size_t limit;
        char const* kept;
        bool truncated;
    };
    for (auto const& row : {
             limit_case{0, "", true},
             limit_case{1, "0", true},
             limit_case{9, "012345678", true},
             limit_case{10, "0123456789", false},
             limit_case{11, "0123456789", false},
         }) {
        for (std::size_t size : {1u, 3u, 10u}) {
            CAPTURE(row.limit);
            CAPTURE(size);
            output_buffer buffer(row.limit);
            fill_in_pieces(buffer, "0123456789", size);
            CHECK(buffer.seen() == 10);
            CHECK(buffer.truncated() == row.truncated);
            CHECK(buffer.release() == row.kept);
        }
    }
}

TEST_CASE("output_buffer: the limit bounds the memory, too")
{
    std::string const block(1'000'000, 'x');
    output_buffer buffer(1000);
    for (int i = 0; i < 20; ++i)
        fill(buffer, block);
    auto const kept = buffer.release();
    CHECK(kept.size() == 1000);
    CHECK(kept.capacity() < 1'000'000);
}

TEST_CASE("output_buffer: the room is small for small streams and large for large streams")
{
    output_buffer buffer(no_limit);
    CHECK(buffer.room().size() <= 4096);
    fill(buffer, std::string(2'000'000, 'x'));
    CHECK(buffer.room().size() >= 128 * 1024);
}

TEST_CASE("output_buffer: growing rarely moves the data of a large stream")
{
    output_buffer buffer(no_limit);
    fill(buffer, std::string(2'000'000, 'x'));
    auto const* const first = static_cast<char const*>(buffer.room().data()) - buffer.seen();
    fill(buffer, std::string(20'000'000, 'y'));
    CHECK(static_cast<char const*>(buffer.room().data()) - buffer.seen() == first);
}

TEST_CASE(
    "output_buffer: grows in small strides if large ones fail, and has no room if no memory is available" *
    doctest::skip(!memory_limit::is_possible()))
{
    output_buffer buffer(no_limit);
    {
        memory_limit const limit;
        for (auto room = buffer.room(); room.size() > 0 && buffer.seen() < memory_limit::size; room = buffer.room()) {
            std::memset(room.data(), 'x', room.size());
            buffer.commit(room.size());
        }
    }
    CHECK(buffer.seen() > memory_limit::size / 8);
    CHECK(buffer.seen() < memory_limit::size);
    CHECK(buffer.release().find_first_not_of('x') == std::string::npos);
}

TEST_CASE("output_buffer: the capacity of the text is at most twice its size")
{
    for (std::size_t const size : {0u, 1u, 100u, 5'000u, 100'000u, 2'000'000u, 70'000'000u}) {
        CAPTURE(size);
        output_buffer buffer(100'000'000);
        while (buffer.seen() < size) {
            auto const room = buffer.room();
            REQUIRE(room.size() > 0);
            buffer.commit(std::min(room.size(), size - buffer.seen()));
        }
        auto const text = buffer.release();
        CHECK(text.size() == size);
        CHECK(text.capacity() <= std::max<std::size_t>(2 * size, 32));
    }
}

TEST_SUITE_END();
