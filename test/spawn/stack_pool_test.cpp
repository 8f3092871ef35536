// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/stack_pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace brood::detail;

namespace {

// Whether the kernel can read memory, without a fault if it cannot.
bool is_readable(void const* start)
{
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    ssize_t const written = ::write(ends[1], start, 1);
    int const error = errno;
    ::close(ends[0]);
    ::close(ends[1]);
    CHECK((written == 1 || error == EFAULT));
    return written == 1;
}

} // namespace

TEST_SUITE_BEGIN("stack_pool");

TEST_CASE("stack_pool: a returned stack is lent again")
{
    void const* first = nullptr;
    {
        auto const stack = borrow_stack();
        REQUIRE(stack);
        first = stack.value().bottom();
    }
    CHECK(borrow_stack().value().bottom() == first);
}

TEST_CASE("stack_pool: a moved stack is returned once")
{
    auto stack = borrow_stack().value();
    auto const* const bottom = stack.bottom();
    {
        auto const moved = std::move(stack);
        CHECK(moved.bottom() == bottom);
    }
    auto const again = borrow_stack().value();
    auto const other = borrow_stack().value();
    CHECK(again.bottom() == bottom);
    CHECK(other.bottom() != bottom);
}

TEST_CASE("stack_pool: a returned stack that a child uses is lent when the child has left it, the first of all first")
{
    std::vector<int*> in_use;
    std::vector<void const*> bottoms;
    {
        std::vector<pooled_stack> lent;
        for (int i = 0; i < 3; ++i) {
            lent.push_back(borrow_stack().value());
            in_use.push_back(&lent.back().in_use());
            bottoms.push_back(lent.back().bottom());
            CHECK(*in_use.back() == 0);
            *in_use.back() = 1;
        }
        for (auto& stack : lent)
            auto const returned = std::move(stack);
    }
    auto const is_one_of_them = [&](pooled_stack const& stack) {
        return std::count(bottoms.begin(), bottoms.end(), stack.bottom()) > 0;
    };
    auto const other = borrow_stack().value();
    CHECK_FALSE(is_one_of_them(other));
    *in_use[2] = 0; // the two before it wait for something
    auto const third = borrow_stack().value();
    CHECK(third.bottom() == bottoms[2]);
    *in_use[0] = *in_use[1] = 0;
    auto const first = borrow_stack().value();
    auto const second = borrow_stack().value();
    CHECK(is_one_of_them(first));
    CHECK(is_one_of_them(second));
    CHECK(first.bottom() != second.bottom());
}

TEST_CASE("stack_pool: what a child uses beside its stack is released by a start after the child has left it")
{
    struct memory final : child_memory {
        void release() noexcept override { ++released; }
        int released = 0;
    };
    auto const kept = std::make_shared<memory>();
    auto dropped = std::make_shared<memory>();
    std::vector<int*> in_use;
    {
        std::vector<pooled_stack> lent;
        for (auto const& each : {kept, dropped}) {
            lent.push_back(borrow_stack().value());
            lent.back().in_use() = 1;
            lent.back().use_with(each);
            in_use.push_back(&lent.back().in_use());
        }
    }
    (void)borrow_stack();
    CHECK(kept->released == 0);
    dropped.reset();
    *in_use[0] = *in_use[1] = 0;
    (void)borrow_stack();
    CHECK(kept->released == 1);
    (void)borrow_stack();
    CHECK(kept->released == 1);

    auto const quick = std::make_shared<memory>(); // its child has left before the stack is returned
    borrow_stack().value().use_with(quick);
    CHECK(quick->released == 1);
}

TEST_CASE("stack_pool: the whole stack is writable and the page below is not accessible")
{
    auto const stack = borrow_stack().value();
    auto* const bottom = static_cast<char*>(stack.bottom());
    std::memset(bottom, 1, stack_size);
    CHECK(is_readable(bottom));
    CHECK_FALSE(is_readable(bottom - 1));
    CHECK_FALSE(is_readable(bottom - ::sysconf(_SC_PAGESIZE)));
}

TEST_CASE("stack_pool: stacks that are lent at the same time do not overlap")
{
    constexpr std::size_t stacks_per_thread = 20;
    std::vector<std::vector<pooled_stack>> lent(4);
    std::vector<std::thread> threads;
    for (auto& stacks : lent)
        threads.emplace_back([&stacks] {
            for (std::size_t i = 0; i < stacks_per_thread; ++i)
                stacks.push_back(borrow_stack().value());
        });
    for (auto& thread : threads)
        thread.join();

    std::vector<char*> bottoms;
    for (auto const& stacks : lent)
        for (auto const& stack : stacks)
            bottoms.push_back(static_cast<char*>(stack.bottom()));
    std::sort(bottoms.begin(), bottoms.end(), std::less<>());
    REQUIRE(bottoms.size() == lent.size() * stacks_per_thread);
    for (std::size_t i = 1; i < bottoms.size(); ++i)
        CHECK(bottoms[i] - bottoms[i - 1] >= static_cast<std::ptrdiff_t>(stack_size));
}

TEST_SUITE_END();
